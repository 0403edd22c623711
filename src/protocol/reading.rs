//! Reads a packed message from its begin to its end; whatever its bytes are, it answers and does not panic.

/// The message ends too early, or says what nothing that is packed here says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the message is not whole")]
pub struct Truncated;

/// What is left of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a>(&'a [u8]);

impl<'a> Reading<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Truncated> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const LENGTH: usize>(&mut self) -> Result<[u8; LENGTH], Truncated> {
        self.take(LENGTH)?.try_into().map_err(|_| Truncated)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Truncated> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn small(&mut self) -> Result<u32, Truncated> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn number(&mut self) -> Result<i64, Truncated> {
        self.array().map(i64::from_le_bytes)
    }

    /// A text with its length before it.
    pub(super) fn text(&mut self) -> Result<&'a str, Truncated> {
        let length = usize::try_from(self.small()?).map_err(|_| Truncated)?;
        std::str::from_utf8(self.take(length)?).map_err(|_| Truncated)
    }
}
