//! The ways in which clients are spoken to, for the whole server: clients that ask for the same names share one, so
//! that what is said to many of them is encoded once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::config::SocketIoSettings;
use crate::protocol::wire::{Names, Namespace, Spelling};

/// How many ways that clients asked for are known before those are looked for that nobody uses any more.
const KNOWN_AT_FIRST: usize = 64;

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Spellings {
    /// How each namespace is spoken to, without acks and with them.
    usual: Vec<(Namespace, [Arc<Spelling>; 2])>,
    narrowed: Mutex<Narrowed>,
}

/// What narrowed spellings are of: a namespace, whether with acks, and the names that are wanted.
type Asked = (&'static str, bool, Vec<String>);

#[derive(Debug)]
struct Narrowed {
    known: HashMap<Asked, Weak<Spelling>>,
    /// How many may be known until the unused ones are forgotten.
    most: usize,
}

impl Spellings {
    pub(super) fn new(settings: &SocketIoSettings) -> Self {
        let spelling = |namespace, acks| {
            let names = match namespace {
                Namespace::Main => &settings.events_main,
                Namespace::Notifications => &settings.events_notifications,
            };
            Arc::new(Spelling::new(namespace, Names::parse(names), acks))
        };
        let both = |namespace| (namespace, [spelling(namespace, false), spelling(namespace, true)]);
        let narrowed = Narrowed { known: HashMap::new(), most: KNOWN_AT_FIRST };
        Self { usual: Namespace::ALL.map(both).into(), narrowed: Mutex::new(narrowed) }
    }

    /// How a client is spoken to that asks for acks, or for certain names only.
    pub(super) fn find(
        &self,
        namespace: Namespace,
        acks: bool,
        wanted: Option<&[String]>,
    ) -> Option<Arc<Spelling>> {
        let (_, [plain, with_acks]) = self.usual.iter().find(|(known, _)| *known == namespace)?;
        let usual = if acks { with_acks } else { plain };
        let Some(wanted) = wanted else { return Some(Arc::clone(usual)) };
        let mut wanted = wanted.to_vec();
        // In whatever order they are asked for.
        wanted.sort_unstable();
        wanted.dedup();
        let mut narrowed = self.narrowed.lock().unwrap_or_else(PoisonError::into_inner);
        Some(narrowed.find((namespace.name(), acks, wanted), usual))
    }
}

impl Narrowed {
    fn find(&mut self, asked: Asked, usual: &Spelling) -> Arc<Spelling> {
        if let Some(known) = self.known.get(&asked).and_then(Weak::upgrade) {
            return known;
        }
        if self.known.len() >= self.most {
            self.known.retain(|_, spelling| spelling.strong_count() > 0);
            self.most = KNOWN_AT_FIRST.max(2 * self.known.len());
        }
        let spelling = Arc::new(usual.narrowed(asked.2.clone()));
        self.known.insert(asked, Arc::downgrade(&spelling));
        spelling
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spellings() -> Spellings {
        Spellings::new(&SocketIoSettings {
            ping_interval_ms: 0,
            ping_timeout_ms: 0,
            connect_timeout_ms: 0,
            upgrade_timeout_ms: 0,
            max_payload_bytes: 0,
            events_main: vec!["notification".to_owned()],
            events_notifications: Vec::new(),
        })
    }

    fn wanting(spellings: &Spellings, names: &[&str]) -> Arc<Spelling> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        spellings.find(Namespace::Main, false, Some(&names)).expect("a namespace that there is")
    }

    #[test]
    fn clients_that_ask_for_the_same_names_are_spoken_to_alike() {
        let spellings = spellings();
        let one = wanting(&spellings, &["LIKE", "notification"]);
        assert!(Arc::ptr_eq(&one, &wanting(&spellings, &["notification", "LIKE", "LIKE"])));
        assert!(!Arc::ptr_eq(&one, &wanting(&spellings, &["LIKE"])));
        let acks =
            spellings.find(Namespace::Main, true, Some(&["LIKE".to_owned(), "notification".to_owned()]));
        assert!(acks.is_some_and(|acks| !Arc::ptr_eq(&one, &acks)));
    }

    #[test]
    fn what_nobody_uses_any_more_is_forgotten() {
        let spellings = spellings();
        let kept = wanting(&spellings, &["kept"]);
        for number in 0..10 * KNOWN_AT_FIRST {
            wanting(&spellings, &[&format!("type.{number}")]);
        }
        assert!(spellings.narrowed.lock().expect("alone").known.len() <= KNOWN_AT_FIRST);
        assert!(Arc::ptr_eq(&kept, &wanting(&spellings, &["kept"])));
    }
}
