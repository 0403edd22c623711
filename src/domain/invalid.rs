//! What a parse constructor of this layer answers when a value does not fit.
//! The doors turn it into their own error; it never carries the value itself.

/// A value that was refused: which field, and what would have been right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The field as the client spells it, for example `checkIn`.
    pub field: &'static str,
    /// What is expected, as a sentence without its subject.
    pub reason: String,
}

impl Invalid {
    pub fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }
}
