//! What every HTTP door shares: errors as problem+json, request ids, credentials, origins, bodies.

mod access;
mod acquaintances;
mod administrator;
pub mod body;
pub mod credentials;
pub mod limits;
pub mod openapi;
pub mod origin;
pub mod problem;
pub mod request;
pub mod route;
mod tickets;

pub use acquaintances::Acquaintances;
pub use administrator::Administrator;
pub use body::JsonBody;
pub use credentials::{Authenticator, Caller, Door};
pub use limits::Limits;
pub use problem::Problem;
pub use tickets::{Admission, TicketOffice};
