//! What was revoked, as requests ask of it: a look into a table by user, whatever was revoked of others. Filled from
//! the database's orders by whoever reads those; a plain struct without locks or clocks.

use std::collections::HashMap;

use crate::domain::{Demand, Order, Timestamp, UserId};

/// See the module's documentation.
#[derive(Debug, Default)]
pub(super) struct Revocations {
    users: HashMap<UserId, Revoked>,
    /// How many there are of all of them.
    count: usize,
}

/// What was revoked of one user, each with when that was ordered.
#[derive(Debug, Default)]
struct Revoked {
    issued_before: Option<Ordered<Timestamp>>,
    tokens: HashMap<Box<str>, Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Ordered<T> {
    what: T,
    at: Timestamp,
}

impl Revoked {
    fn len(&self) -> usize {
        self.tokens.len() + usize::from(self.issued_before.is_some())
    }
}

impl Revocations {
    /// Takes an order; what it says twice changes nothing.
    pub(super) fn take(&mut self, order: &Order) {
        let known = self.users.get(&order.user).map_or(0, Revoked::len);
        match &order.demand {
            Demand::Disconnect => {}
            Demand::RevokeToken(id) => {
                let revoked = self.users.entry(order.user.clone()).or_default();
                let at = revoked.tokens.entry(id.clone()).or_insert(order.at);
                *at = order.at.max(*at);
            }
            Demand::RevokeIssuedBefore(time) => {
                let revoked = self.users.entry(order.user.clone()).or_default();
                // The latest of both counts for as long as any of them would.
                let known = revoked.issued_before.unwrap_or(Ordered { what: *time, at: order.at });
                let latest = Ordered { what: known.what.max(*time), at: known.at.max(order.at) };
                revoked.issued_before = Some(latest);
            }
        }
        self.count += self.users.get(&order.user).map_or(0, Revoked::len) - known;
    }

    /// Whether a user's token is revoked. One that does not say when it was issued may be from any time.
    pub(super) fn cover(&self, user: &UserId, id: Option<&str>, issued_at: Option<Timestamp>) -> bool {
        let Some(revoked) = self.users.get(user) else { return false };
        let by_time = revoked
            .issued_before
            .is_some_and(|before| issued_at.is_none_or(|issued_at| issued_at < before.what));
        let by_id = id.is_some_and(|id| revoked.tokens.contains_key(id));
        by_time || by_id
    }

    /// Whether everything of this user that began before a time is revoked.
    pub(super) fn cover_all_of(&self, user: &UserId, began: Timestamp) -> bool {
        let before = self.users.get(user).and_then(|revoked| revoked.issued_before);
        before.is_some_and(|before| began < before.what)
    }

    /// Forgets what was ordered before a time.
    pub(super) fn forget(&mut self, before: Timestamp) {
        self.users.retain(|_, revoked| {
            revoked.tokens.retain(|_, at| *at >= before);
            revoked.issued_before = revoked.issued_before.filter(|issued_before| issued_before.at >= before);
            revoked.len() > 0
        });
        self.count = self.users.values().map(Revoked::len).sum();
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str) -> UserId {
        UserId::from_stored(id.to_owned())
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn covers(revocations: &Revocations, of: &str, id: Option<&str>, issued_at: Option<i64>) -> bool {
        revocations.cover(&user(of), id, issued_at.map(at))
    }

    fn after(orders: &[(Demand, i64)]) -> Revocations {
        let mut revocations = Revocations::default();
        for (demand, ordered_at) in orders {
            let order = Order { user: user("7"), demand: demand.clone(), at: at(*ordered_at) };
            revocations.take(&order);
        }
        revocations
    }

    #[test]
    fn a_token_is_revoked_by_its_id_and_its_bearers_others_are_not() {
        let revocations = after(&[(Demand::RevokeToken("a".into()), 10), (Demand::Disconnect, 11)]);
        assert!(covers(&revocations, "7", Some("a"), Some(99)));
        assert!(!covers(&revocations, "7", Some("b"), Some(1)));
        assert!(!covers(&revocations, "7", None, None));
        assert!(!covers(&revocations, "8", Some("a"), Some(1)), "another's");
    }

    #[test]
    fn what_was_issued_before_is_revoked_and_so_is_what_does_not_say() {
        // The earlier of two times that come later takes nothing back.
        for orders in [[10, 5], [5, 10]] {
            let orders = orders.map(|time| (Demand::RevokeIssuedBefore(at(time)), 20));
            let revocations = after(&orders);
            assert!(covers(&revocations, "7", None, Some(9)));
            assert!(covers(&revocations, "7", None, None));
            assert!(!covers(&revocations, "7", None, Some(10)));
            assert!(!covers(&revocations, "8", None, None), "another's");
            assert!(
                revocations.cover_all_of(&user("7"), at(9)) && !revocations.cover_all_of(&user("7"), at(10))
            );
        }
    }

    #[test]
    fn only_what_was_ordered_before_is_forgotten() {
        let mut revocations = after(&[
            (Demand::RevokeToken("old".into()), 10),
            (Demand::RevokeToken("new".into()), 30),
            (Demand::RevokeToken("again".into()), 10),
            (Demand::RevokeToken("again".into()), 30),
            (Demand::RevokeIssuedBefore(at(5)), 10),
        ]);
        assert_eq!(revocations.len(), 4);
        revocations.forget(at(20));
        assert!(!covers(&revocations, "7", Some("old"), Some(1)));
        assert!(covers(&revocations, "7", Some("new"), None));
        assert!(covers(&revocations, "7", Some("again"), None));
        assert_eq!(revocations.len(), 2);
        revocations.forget(at(31));
        assert!(revocations.users.is_empty(), "no user is left over");
    }
}
