//! The names of connections. Where instances have names, each sid begins with that of the instance that made it, so
//! that a balancer can send what belongs to a connection to where it lives, and a request that went astray is told so.

/// What stands between the instance and the rest; it is in no instance's name and in no random part.
const SEPARATOR: char = '.';

/// Makes the sids of one instance.
#[derive(Debug, Clone)]
pub struct Sids {
    instance: Box<str>,
}

impl Sids {
    /// An empty name is none.
    pub fn new(instance: &str) -> Self {
        Self { instance: instance.into() }
    }

    pub(super) fn fresh(&self) -> Box<str> {
        match &*self.instance {
            "" => fresh_sid(),
            instance => format!("{instance}{SEPARATOR}{}", fresh_sid()).into(),
        }
    }

    /// Whether another instance than this one made it, as far as it says.
    pub(super) fn is_of_another(&self, sid: &str) -> bool {
        sid.split_once(SEPARATOR).is_some_and(|(instance, _)| instance != &*self.instance)
    }
}

/// A name that nobody guesses: 120 random bits in URL-safe characters.
pub(in crate::transports) fn fresh_sid() -> Box<str> {
    use base64::Engine as _;
    let bits: [u8; 15] = rand::random();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bits).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_says_which_instance_made_it() {
        let (a, b, nameless) = (Sids::new("a"), Sids::new("b7"), Sids::new(""));
        let sid = a.fresh();
        let random = sid.strip_prefix("a.").expect("the instance and a dot");
        assert_eq!(random.len(), 20);
        assert!(!a.is_of_another(&sid) && b.is_of_another(&sid) && nameless.is_of_another(&sid));
    }

    #[test]
    fn without_a_name_a_sid_says_nothing() {
        let sid = Sids::new("").fresh();
        assert_eq!(sid.len(), 20);
        assert!(!sid.contains(SEPARATOR));
        assert!(!Sids::new("a").is_of_another(&sid));
    }
}
