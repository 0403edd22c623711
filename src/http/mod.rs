//! What every HTTP door shares: errors as problem+json, request ids, credentials, origins, bodies.

mod access;
mod acquaintances;
mod administrator;
pub mod asset;
pub mod body;
pub mod chooser;
pub mod credentials;
pub mod etag;
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
pub use chooser::Chooser;
pub use credentials::{Authenticator, Caller, Door};
pub use limits::Limits;
pub use problem::Problem;

pub use crate::domain::PageAddress;
pub use tickets::{Admission, TicketOffice};
