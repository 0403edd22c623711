//! Where people find this server's own pages, for links in mails and for front ends.

/// Without the slash at its end; empty where nobody said it.
#[derive(Debug, Clone, Default)]
pub struct PageAddress(Box<str>);

impl PageAddress {
    /// `base` is the server's URL as browsers reach it, or empty.
    pub fn new(base: &str) -> Self {
        Self(base.trim_end_matches('/').into())
    }

    /// Whether a link works that is read elsewhere than in a page of this server.
    pub fn is_known(&self) -> bool {
        !self.0.is_empty()
    }

    /// The page that a link key opens, relative to this server where its address is not known. A browser keeps what is
    /// behind the `#` to itself.
    pub fn preferences(&self, key: &str) -> String {
        format!("{}/preferences#key={key}", self.0)
    }

    /// Where a POST ends mail of a kind (RFC 8058).
    pub fn unsubscribe(&self, key: &str) -> String {
        format!("{}/notifications/unsubscribe?key={key}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_absolute_where_the_address_is_known() {
        let known = PageAddress::new("https://notify.example.com/");
        assert_eq!(known.preferences("a-1"), "https://notify.example.com/preferences#key=a-1");
        assert_eq!(known.unsubscribe("a-1"), "https://notify.example.com/notifications/unsubscribe?key=a-1");
        let unknown = PageAddress::new("");
        assert_eq!((unknown.is_known(), unknown.preferences("a")), (false, "/preferences#key=a".to_owned()));
    }
}
