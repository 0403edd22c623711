//! Whose mail is begun next: at most one under way per recipient, and recipients in turn, so that one
//! whose mail server is slow holds up nobody else. Knows neither actors nor the database.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::domain::UserId;

/// How many claimed mails wait for a place; the rest waits in the database, where it costs no memory
/// and any instance may take it. Many times what is under way, so that the places are never idle.
const WAITING_MAX: usize = 1_000;

/// Claimed mails that wait for a place. Dropping one loses nothing: its lease ends.
#[derive(Debug)]
pub(super) struct Queue<T> {
    /// Places: mails under way at once.
    places: usize,
    /// How many may wait for one recipient: so few that those of all who have a mail under way leave
    /// room for somebody else.
    share: usize,
    /// No recipient is kept with nothing waiting.
    waiting: HashMap<UserId, VecDeque<T>>,
    /// Over all recipients.
    waiting_count: usize,
    /// Recipients with something waiting and nothing under way, who waits longest first.
    turns: VecDeque<UserId>,
    /// Recipients with a mail under way.
    busy: HashSet<UserId>,
}

impl<T> Queue<T> {
    pub(super) fn new(places: usize) -> Self {
        let share = (WAITING_MAX / places.saturating_add(1)).max(1);
        Self {
            places,
            share,
            waiting: HashMap::new(),
            waiting_count: 0,
            turns: VecDeque::new(),
            busy: HashSet::new(),
        }
    }

    /// Lines a mail up; gives it back where too many wait, for its recipient or in all.
    pub(super) fn push(&mut self, user: &UserId, mail: T) -> Result<(), T> {
        let before = self.waiting.get(user).map_or(0, VecDeque::len);
        if before >= self.share || self.waiting_count >= WAITING_MAX {
            return Err(mail);
        }
        if before == 0 && !self.busy.contains(user) {
            self.turns.push_back(user.clone());
        }
        self.waiting.entry(user.clone()).or_default().push_back(mail);
        self.waiting_count += 1;
        Ok(())
    }

    /// The next mail, where there is a place and somebody whose turn it is. Its recipient is busy until
    /// [`Queue::end`].
    pub(super) fn begin(&mut self) -> Option<(UserId, T)> {
        if self.busy.len() >= self.places {
            return None;
        }
        let user = self.turns.pop_front()?;
        let mails = self.waiting.get_mut(&user)?;
        let mail = mails.pop_front()?;
        if mails.is_empty() {
            self.waiting.remove(&user);
        }
        self.waiting_count -= 1;
        self.busy.insert(user.clone());
        Some((user, mail))
    }

    /// The mail under way to `user` is over: their next one lines up behind everybody else.
    pub(super) fn end(&mut self, user: &UserId) {
        if self.busy.remove(user) && self.waiting.contains_key(user) {
            self.turns.push_back(user.clone());
        }
    }

    /// Whether more should be claimed: nobody is in line whose mail could be begun.
    pub(super) fn wants_more(&self) -> bool {
        self.turns.is_empty() && self.waiting_count < WAITING_MAX
    }

    /// Takes out what waits and is `unwanted`.
    pub(super) fn take(&mut self, mut unwanted: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        for mails in self.waiting.values_mut() {
            for mail in std::mem::take(mails) {
                if unwanted(&mail) { taken.push(mail) } else { mails.push_back(mail) }
            }
        }
        self.waiting.retain(|_, mails| !mails.is_empty());
        self.turns.retain(|user| self.waiting.contains_key(user));
        self.waiting_count -= taken.len();
        taken
    }

    /// Claimed mails, those under way included.
    pub(super) fn len(&self) -> usize {
        self.waiting_count + self.busy.len()
    }

    pub(super) fn under_way(&self) -> usize {
        self.busy.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        UserId::from_stored(name.to_owned())
    }

    /// Lines up one mail for each name, numbered from `first`.
    fn push_all(queue: &mut Queue<usize>, names: &str) {
        for (number, name) in names.chars().enumerate() {
            queue.push(&user(&name.to_string()), number).expect("there is room");
        }
    }

    /// Begins what can be begun.
    fn begin_all(queue: &mut Queue<usize>) -> Vec<(String, usize)> {
        std::iter::from_fn(|| queue.begin()).map(|(user, mail)| (user.as_str().to_owned(), mail)).collect()
    }

    fn begun(mails: &[(&str, usize)]) -> Vec<(String, usize)> {
        mails.iter().map(|(user, mail)| ((*user).to_owned(), *mail)).collect()
    }

    #[test]
    fn one_mail_is_under_way_per_recipient_and_the_other_places_are_for_others() {
        let mut queue = Queue::new(3);
        push_all(&mut queue, "aaabab");
        assert_eq!(begin_all(&mut queue), begun(&[("a", 0), ("b", 3)]));
        assert!(queue.wants_more(), "a place is free, and only busy recipients wait");
        push_all(&mut queue, "cd");
        assert_eq!(begin_all(&mut queue), begun(&[("c", 0)]));
        assert!(!queue.wants_more(), "d is in line");
        assert_eq!(queue.under_way(), 3);
    }

    #[test]
    fn recipients_take_turns_and_each_gets_theirs_in_order() {
        let mut queue = Queue::new(1);
        push_all(&mut queue, "aaabbc");
        let mut order = Vec::new();
        while let Some((next, mail)) = queue.begin() {
            order.push((next.as_str().to_owned(), mail));
            queue.end(&next);
        }
        assert_eq!(order, begun(&[("a", 0), ("b", 3), ("c", 5), ("a", 1), ("b", 4), ("a", 2)]));
        assert!(queue.wants_more() && queue.waiting.is_empty() && queue.waiting_count == 0);
    }

    #[test]
    fn the_busy_cannot_fill_the_queue_up() {
        for places in [1, 4, 999, 1_000] {
            let mut queue = Queue::new(places);
            for one in 0..places {
                let busy = user(&format!("busy-{one}"));
                queue.push(&busy, 0).expect("there is room for one of each");
                queue.begin().expect("and a place");
                while queue.push(&busy, 1).is_ok() {}
            }
            assert!(queue.wants_more() || places == 1_000, "{places} places");
            assert!(queue.waiting_count <= WAITING_MAX, "{places} places");
        }
    }

    #[test]
    fn what_is_taken_out_loses_its_turn_and_the_rest_keeps_theirs() {
        let mut queue = Queue::new(1);
        push_all(&mut queue, "abac");
        let mut taken = queue.take(|mail| *mail == 1 || *mail == 2);
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
        assert_eq!(begin_all(&mut queue), begun(&[("a", 0)]));
        queue.end(&user("a"));
        assert_eq!(begin_all(&mut queue), begun(&[("c", 3)]));
        queue.end(&user("c"));
        assert_eq!((queue.under_way(), queue.waiting_count), (0, 0));
        assert!(queue.wants_more());
    }
}
