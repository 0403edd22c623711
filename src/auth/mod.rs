//! Tokens: who a request or a session acts as. The doors and the API hold one `Verifier`; the command
//! line and the development routes hold a `Minter`. Only this module knows the JWT library. Where a
//! token is found in a request is not decided here. With recovery ids, which this server signs itself, a bearer
//! gets a session back.

mod claims;
mod error;
mod keyed;
mod keyring;
mod keys;
mod links;
mod minter;
mod recovery;
mod revocations;
mod tokens;
mod verifier;

pub use error::{AuthSetupError, TokenError};
pub use keyring::Reload;
pub use links::{LinkError, LinkGrant, Links, Scope};
pub use minter::{MintError, Minter};
pub use recovery::{RECOVERY_ID_BYTES_MAX, Recovered, RecoveryIds, SID_BYTES_MAX};
pub use tokens::Tokens;
pub use verifier::{TOKEN_BYTES_MAX, Verifier};

#[cfg(test)]
mod tests;
