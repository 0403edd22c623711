//! What every HTTP door shares: errors as problem+json, request ids, credentials, origins, bodies.

mod acquaintances;
pub mod body;
pub mod credentials;
pub mod openapi;
pub mod origin;
pub mod problem;
pub mod request;
pub mod route;
mod tickets;

pub use acquaintances::Acquaintances;
pub use body::JsonBody;
pub use credentials::{Authenticator, Caller, Door};
pub use problem::Problem;
pub use tickets::{Admission, TicketOffice};
