//! What is said, as one instance passes it to another: lengths before contents, little-endian, so that nothing is
//! escaped or parsed on the way. Read by the same version alone: [`super::super::letter`] says which.

use std::borrow::Cow;

use super::{Said, Subject};
use crate::protocol::reading::{Reading, Truncated};

/// Marks an event that is no notification.
const EVENT: u8 = 0;
/// Marks a notification that is kept for nobody.
const PASSING: u8 = 1;
/// Marks a notification with a place in its inbox, which follows.
const STORED: u8 = 2;

impl Said {
    /// Appends it to what is sent.
    pub(in crate::protocol) fn pack(&self, into: &mut Vec<u8>) {
        match self.subject {
            Subject::Event => into.push(EVENT),
            Subject::Notification(None) => into.push(PASSING),
            Subject::Notification(Some(seq)) => {
                into.push(STORED);
                into.extend(seq.to_le_bytes());
            }
        }
        put_text(into, &self.name);
        put_text(into, &self.data);
    }

    /// Reads one back.
    pub(in crate::protocol) fn unpack(from: &mut Reading<'_>) -> Result<Self, Truncated> {
        let subject = match from.byte()? {
            EVENT => Subject::Event,
            PASSING => Subject::Notification(None),
            STORED => Subject::Notification(Some(from.number()?)),
            _ => return Err(Truncated),
        };
        let (name, data) = (from.text()?.to_owned(), from.text()?.to_owned());
        Ok(Self { name: Cow::Owned(name), data, subject })
    }
}

/// A text with its length before it.
pub(in crate::protocol) fn put_text(into: &mut Vec<u8>, text: &str) {
    // Nothing that is sent comes near it: bodies have a limit.
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    into.extend(length.to_le_bytes());
    into.extend(text.as_bytes());
}
