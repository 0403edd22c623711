//! Why a request is refused as it is: the same words for whoever sent it by HTTP and for whoever finds it among the
//! dead letters.

use crate::domain::Invalid;
use crate::protocol::events::Refusal;

/// A request that would be refused again, however often it is sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct Refused {
    pub fault: Fault,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub detail: String,
    /// The field at fault, as the sender spells it.
    pub field: Option<String>,
}

/// What kind of mistake it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It cannot be read.
    Malformed,
    /// It can be read, and does not make sense.
    Unprocessable,
    /// It is not its sender's to ask.
    Forbidden,
}

impl Refused {
    fn new(fault: Fault, code: &'static str, detail: impl Into<String>) -> Self {
        Self { fault, code, detail: detail.into(), field: None }
    }

    pub fn malformed(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Fault::Malformed, code, detail)
    }

    pub fn unprocessable(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(Fault::Unprocessable, code, detail)
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Fault::Forbidden, "forbidden", detail)
    }

    #[must_use]
    pub fn of_field(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }
}

impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Self {
        Self::unprocessable("invalid_field", format!("{} {}", invalid.field, invalid.reason))
            .of_field(invalid.field)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::unprocessable("invalid_body", refusal.message)
    }
}
