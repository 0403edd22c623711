//! Proof of receipt. Frames of one connection arrive in order and every WebSocket stack answers pings
//! by itself, so the pong to a ping proves that the device has whatever was sent before that ping.

use std::collections::VecDeque;

use crate::domain::NotificationId;

/// How many unproven notifications a session remembers. A device that answers nothing for so long has
/// stopped; what is not remembered stays unconfirmed and goes by mail at its deadline.
const WAITING_MAX: usize = 4_096;

/// What was sent to one device and not proven yet. At most one ping is under way.
#[derive(Debug, Default)]
pub(super) struct Proof {
    waiting: VecDeque<NotificationId>,
    /// How many of `waiting` the ping under way covers; none is under way at 0.
    covered: usize,
    /// The seq that the ping under way carries.
    seq: i64,
}

impl Proof {
    /// Notes that a notification was sent; answers the payload of the ping to send after it, if one is due.
    pub(super) fn sent(&mut self, id: NotificationId, seq: i64) -> Option<Vec<u8>> {
        if self.waiting.len() >= WAITING_MAX {
            return None;
        }
        self.waiting.push_back(id);
        if self.covered == 0 { Some(self.ask(seq)) } else { None }
    }

    /// Takes a pong; answers what it proves and the payload of the next ping, if more was sent since.
    pub(super) fn answered(&mut self, payload: &[u8], seq: i64) -> (Vec<NotificationId>, Option<Vec<u8>>) {
        if self.covered == 0 || payload != self.payload() {
            return (Vec::new(), None);
        }
        let proven = self.waiting.drain(..self.covered).collect();
        self.covered = 0;
        let next = if self.waiting.is_empty() { None } else { Some(self.ask(seq)) };
        (proven, next)
    }

    fn ask(&mut self, seq: i64) -> Vec<u8> {
        self.covered = self.waiting.len();
        self.seq = seq;
        self.payload()
    }

    /// The seq in decimal digits.
    fn payload(&self) -> Vec<u8> {
        self.seq.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> NotificationId {
        NotificationId::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn a_pong_proves_what_was_sent_before_its_ping_and_no_more() {
        let mut proof = Proof::default();
        assert_eq!(proof.sent(id(1), 1), Some(b"1".to_vec()));
        assert_eq!(proof.sent(id(2), 2), None, "one ping is under way");
        assert_eq!(proof.sent(id(3), 3), None);
        assert_eq!(proof.answered(b"1", 3), (vec![id(1)], Some(b"3".to_vec())));
        assert_eq!(proof.answered(b"3", 3), (vec![id(2), id(3)], None));
    }

    #[test]
    fn pongs_that_nobody_asked_for_prove_nothing() {
        let mut proof = Proof::default();
        assert_eq!(proof.answered(b"0", 0), (vec![], None));
        proof.sent(id(1), 7);
        assert_eq!(proof.answered(b"", 7), (vec![], None));
        assert_eq!(proof.answered(b"8", 7), (vec![], None));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut proof = Proof::default();
        for number in 0..2 * WAITING_MAX {
            proof.sent(id(number as u128), 1);
        }
        assert_eq!(proof.waiting.len(), WAITING_MAX);
    }
}
