//! Proof of receipt. Frames of one connection arrive in order and every WebSocket stack answers pings
//! by itself, so the pong to a ping proves that the device has whatever was sent before that ping.

use std::collections::VecDeque;

use crate::domain::NotificationId;

/// How many unproven notifications a session remembers. A device that answers nothing for so long has
/// stopped; what is not remembered stays unconfirmed and goes by mail at its deadline.
const WAITING_MAX: usize = 4_096;

/// A notification as it was given to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) id: NotificationId,
    pub(super) seq: i64,
    /// By a replay.
    pub(super) replayed: bool,
}

/// What was sent to one device and not proven yet. One ping at a time is the one that counts.
#[derive(Debug, Default)]
pub(super) struct Proof {
    waiting: VecDeque<Sent>,
    /// How many of `waiting` the newest ping covers.
    covered: usize,
    /// Whether the newest ping waits for its pong.
    under_way: bool,
    /// The seq that the newest ping carries, and how many before it carried the same.
    asked: Option<(i64, u32)>,
}

impl Proof {
    /// Notes that a notification was sent.
    pub(super) fn sent(&mut self, sent: Sent) {
        if self.waiting.len() < WAITING_MAX {
            self.waiting.push_back(sent);
        }
    }

    /// Answers the payload of the ping to send after what was sent, if one is due: none while another is
    /// under way.
    pub(super) fn ask_first(&mut self, seq: i64) -> Option<Vec<u8>> {
        if self.under_way { None } else { self.ask_again(seq) }
    }

    /// The client itself says that it has everything up to `seq`; answers what that proves. The ping that is
    /// under way asks on: its pong is followed by the next.
    pub(super) fn acked(&mut self, seq: i64) -> Vec<Sent> {
        let is_proven = |sent: &Sent| sent.seq <= seq;
        let covered = self.waiting.iter().take(self.covered).filter(|sent| is_proven(sent)).count();
        self.covered -= covered;
        let proven = self.waiting.iter().filter(|sent| is_proven(sent)).copied().collect();
        self.waiting.retain(|sent| !is_proven(sent));
        proven
    }

    /// The client acknowledges the notification with this seq, and says nothing of others.
    pub(super) fn acked_one(&mut self, seq: i64) -> Vec<Sent> {
        let Some(at) = self.waiting.iter().position(|sent| sent.seq == seq) else { return Vec::new() };
        self.covered -= usize::from(at < self.covered);
        self.waiting.remove(at).into_iter().collect()
    }

    /// The oldest seq that waits to be proven.
    pub(super) fn first_waiting(&self) -> Option<i64> {
        self.waiting.iter().map(|sent| sent.seq).min()
    }

    /// Takes a pong; answers what it proves and the payload of the next ping, if more was sent since.
    pub(super) fn answered(&mut self, payload: &[u8], seq: i64) -> (Vec<Sent>, Option<Vec<u8>>) {
        if !self.under_way || payload != self.payload() {
            return (Vec::new(), None);
        }
        let proven = self.waiting.drain(..self.covered).collect();
        (self.covered, self.under_way) = (0, false);
        (proven, self.ask_again(seq))
    }

    /// Asks anew for all that waits; answers the payload, if anything waits. RFC 6455 §5.5.3 lets a client
    /// answer only the newest ping, so whoever sends one more has it ask what the one before it asked.
    pub(super) fn ask_again(&mut self, seq: i64) -> Option<Vec<u8>> {
        if self.waiting.is_empty() {
            // Whatever is sent instead, nobody need answer the ping before it any more.
            self.under_way = false;
            return None;
        }
        Some(self.ask(seq))
    }

    fn ask(&mut self, seq: i64) -> Vec<u8> {
        self.covered = self.waiting.len();
        self.under_way = true;
        let before = self.asked.filter(|(asked, _)| *asked == seq);
        self.asked = Some((seq, before.map_or(0, |(_, count)| count.wrapping_add(1))));
        self.payload()
    }

    /// The seq in decimal digits; pings that carry the same one are told apart by a number after it, so
    /// that a late pong proves nothing that was sent after its ping.
    fn payload(&self) -> Vec<u8> {
        match self.asked {
            None => Vec::new(),
            Some((seq, 0)) => seq.to_string().into_bytes(),
            Some((seq, count)) => format!("{seq}.{count}").into_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn id(number: u128) -> NotificationId {
        NotificationId::from_uuid(Uuid::from_u128(number))
    }

    fn ids(sent: Vec<Sent>) -> Vec<NotificationId> {
        sent.into_iter().map(|sent| sent.id).collect()
    }

    impl Proof {
        /// As a session does it for each notification.
        fn send(&mut self, id: NotificationId, seq: i64) -> Option<Vec<u8>> {
            self.sent(Sent { id, seq, replayed: false });
            self.ask_first(seq)
        }

        /// The ids of what a pong proves, and the next ping.
        fn pong(&mut self, payload: &[u8], seq: i64) -> (Vec<NotificationId>, Option<Vec<u8>>) {
            let (proven, next) = self.answered(payload, seq);
            (ids(proven), next)
        }
    }

    #[test]
    fn an_ack_proves_what_it_names_and_leaves_the_rest_to_the_pong() {
        let mut proof = Proof::default();
        assert_eq!(proof.send(id(1), 1), Some(b"1".to_vec()));
        assert_eq!((proof.send(id(2), 2), proof.send(id(3), 3)), (None, None));
        assert_eq!(ids(proof.acked(2)), [id(1), id(2)]);
        assert_eq!(proof.acked(2), []);
        assert_eq!(proof.send(id(4), 4), None, "one ping is under way");
        assert_eq!(proof.pong(b"1", 4), (vec![], Some(b"4".to_vec())));
        assert_eq!(proof.pong(b"4", 4), (vec![id(3), id(4)], None));
    }

    #[test]
    fn a_pong_proves_what_was_sent_before_its_ping_and_no_more() {
        let mut proof = Proof::default();
        assert_eq!(proof.send(id(1), 1), Some(b"1".to_vec()));
        assert_eq!(proof.send(id(2), 2), None, "one ping is under way");
        assert_eq!(proof.send(id(3), 3), None);
        assert_eq!(proof.pong(b"1", 3), (vec![id(1)], Some(b"3".to_vec())));
        assert_eq!(proof.pong(b"3", 3), (vec![id(2), id(3)], None));
    }

    #[test]
    fn a_client_that_answers_only_the_newest_ping_is_asked_on_after_an_ack() {
        let mut proof = Proof::default();
        assert_eq!(proof.send(id(1), 1), Some(b"1".to_vec()));
        assert_eq!(ids(proof.acked(1)), [id(1)]);
        assert_eq!(proof.ask_again(1), None, "the heartbeat's ping asks for nothing");
        assert_eq!(proof.pong(b"heartbeat", 1), (vec![], None), "the only pong, as RFC 6455 §5.5.3 allows");
        assert_eq!(proof.send(id(2), 2), Some(b"2".to_vec()), "nothing answers the first any more");
    }

    #[test]
    fn pongs_that_nobody_asked_for_prove_nothing() {
        let mut proof = Proof::default();
        assert_eq!(proof.pong(b"0", 0), (vec![], None));
        proof.send(id(1), 7);
        assert_eq!(proof.pong(b"", 7), (vec![], None));
        assert_eq!(proof.pong(b"8", 7), (vec![], None));
    }

    #[test]
    fn a_newer_ask_covers_all_that_waits_and_replaces_the_older() {
        let mut proof = Proof::default();
        assert_eq!(proof.ask_again(0), None, "nothing waits");
        assert_eq!(proof.send(id(1), 1), Some(b"1".to_vec()));
        assert_eq!(proof.send(id(2), 2), None);
        assert_eq!(proof.ask_again(2), Some(b"2".to_vec()));
        assert_eq!(proof.send(id(3), 3), None);
        assert_eq!(proof.pong(b"1", 3), (vec![], None), "an older pong");
        assert_eq!(proof.pong(b"2", 3), (vec![id(1), id(2)], Some(b"3".to_vec())));
        assert_eq!(proof.pong(b"2", 3), (vec![], None));
        assert_eq!(proof.pong(b"3", 3), (vec![id(3)], None));
        assert_eq!(proof.ask_again(3), None);
    }

    #[test]
    fn asks_with_the_same_seq_are_told_apart() {
        let mut proof = Proof::default();
        assert_eq!(proof.send(id(1), 5), Some(b"5".to_vec()));
        assert_eq!(proof.send(id(2), 5), None, "overtaken by the one before it");
        assert_eq!(proof.ask_again(5), Some(b"5.1".to_vec()));
        assert_eq!(proof.pong(b"5", 5), (vec![], None), "its ping came before the second");
        assert_eq!(proof.pong(b"5.1", 5), (vec![id(1), id(2)], None));
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut proof = Proof::default();
        for number in 0..2 * WAITING_MAX {
            proof.sent(Sent { id: id(number as u128), seq: 1, replayed: false });
        }
        assert_eq!(proof.waiting.len(), WAITING_MAX);
    }
}
