//! How many connections there are, in all and of each address. A connection holds its place for as long as it
//! exists, so that none is lost whatever way it ends.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::client::Customer;
use crate::telemetry::metrics::Figure;

/// The places there are. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    most: usize,
    /// Of one address; 0 for no limit.
    most_each: usize,
    taken: AtomicUsize,
    /// How many of them each address has that has any: no more than there are connections.
    by_customer: Mutex<HashMap<Customer, usize>>,
    figure: Figure,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// For anybody.
    All,
    /// For this address.
    Customer,
}

/// One connection's place, given back when this is dropped.
#[derive(Debug)]
pub struct Place {
    shared: Arc<Shared>,
    /// Whether it is one of all.
    counts: bool,
    /// Whose it is, where that is counted.
    customer: Option<Customer>,
}

impl Places {
    pub(super) fn new(most: usize, most_each: usize, figure: Figure) -> Self {
        let (taken, by_customer) = (AtomicUsize::new(0), Mutex::default());
        Self(Arc::new(Shared { most, most_each, taken, by_customer, figure }))
    }

    /// For a connection, which counts for `customer` unless it is a trusted proxy's.
    pub(super) fn take(&self, customer: Option<Customer>) -> Result<Place, Full> {
        let shared = &self.0;
        let one_more = |taken: usize| (taken < shared.most).then_some(taken + 1);
        shared.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).map_err(|_| Full::All)?;
        shared.figure.inc();
        let mut place = Place { shared: Arc::clone(shared), counts: true, customer: None };
        if let Some(customer) = customer {
            // Where that is refused, the place among all goes back with `place`.
            shared.count(customer)?;
            place.customer = Some(customer);
        }
        Ok(place)
    }

    /// For what comes over a connection that has its place among all already.
    pub(super) fn take_for(&self, customer: Customer) -> Result<Place, Full> {
        self.0.count(customer)?;
        Ok(Place { shared: Arc::clone(&self.0), counts: false, customer: Some(customer) })
    }
}

impl Shared {
    fn count(&self, customer: Customer) -> Result<(), Full> {
        let mut by_customer = self.by_customer.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = by_customer.entry(customer).or_insert(0);
        if self.most_each > 0 && *taken >= self.most_each {
            return Err(Full::Customer);
        }
        *taken += 1;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(customer) = self.customer {
            let mut by_customer = self.shared.by_customer.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(taken) = by_customer.get_mut(&customer) {
                *taken -= 1;
                if *taken == 0 {
                    by_customer.remove(&customer);
                }
            }
            if by_customer.is_empty() {
                by_customer.shrink_to_fit();
            }
        }
        if self.counts {
            self.shared.taken.fetch_sub(1, Ordering::Relaxed);
            self.shared.figure.dec();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::telemetry::Metrics;

    fn places(most: usize, most_each: usize) -> Places {
        Places::new(most, most_each, Metrics::new().expect("a registry").connections_open().clone())
    }

    fn customer(number: u8) -> Customer {
        Customer::of(IpAddr::V4(Ipv4Addr::new(10, 0, 0, number)))
    }

    #[test]
    fn there_are_so_many_in_all_and_so_many_each() {
        let places = places(3, 2);
        let first = places.take(Some(customer(1))).expect("a place");
        let _second = places.take(Some(customer(1))).expect("a place");
        assert_eq!(places.take(Some(customer(1))).err(), Some(Full::Customer));
        assert_eq!(places.take_for(customer(1)).err(), Some(Full::Customer));
        let _third = places.take(None).expect("who was refused took no place");
        assert_eq!(places.take(Some(customer(2))).err(), Some(Full::All));
        drop(first);
        places.take(Some(customer(1))).expect("a place again");
    }

    #[test]
    fn zero_is_no_limit_of_an_address() {
        let places = places(100, 0);
        let held: Vec<_> = (0..100).map(|_| places.take(Some(customer(1))).expect("a place")).collect();
        assert_eq!(places.take(Some(customer(1))).err(), Some(Full::All));
        drop(held);
        assert_eq!(places.0.taken.load(Ordering::Relaxed), 0);
    }

    proptest! {
        /// Whatever is taken, refused and given back in whatever order: the counts are those of what is held.
        #[test]
        fn no_place_is_lost_and_none_is_given_twice(steps in prop::collection::vec((0..4_u8, 0..5_u8, any::<prop::sample::Index>()), 1..200)) {
            let places = places(8, 3);
            let mut held: Vec<(Option<u8>, bool, Place)> = Vec::new();
            for (step, number, index) in steps {
                let taken = match step {
                    0 => places.take(Some(customer(number))).ok().map(|place| (Some(number), true, place)),
                    1 => places.take(None).ok().map(|place| (None, true, place)),
                    2 => places.take_for(customer(number)).ok().map(|place| (Some(number), false, place)),
                    _ => {
                        if !held.is_empty() {
                            held.swap_remove(index.index(held.len()));
                        }
                        None
                    }
                };
                held.extend(taken);
                let all = held.iter().filter(|(_, counts, _)| *counts).count();
                prop_assert_eq!(places.0.taken.load(Ordering::Relaxed), all);
                prop_assert_eq!(usize::try_from(places.0.figure.get()).expect("no less than none"), all);
                let by_customer = places.0.by_customer.lock().expect("unpoisoned");
                for number in 0..5 {
                    let of_one = held.iter().filter(|(whose, _, _)| *whose == Some(number)).count();
                    let counted = by_customer.get(&customer(number)).copied().unwrap_or(0);
                    prop_assert_eq!(counted, of_one);
                    prop_assert!(of_one <= 3);
                }
                prop_assert!(all <= 8);
            }
        }
    }
}
