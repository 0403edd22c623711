//! A URL that may hold a password: it is shown with the password as dots and the rest readable, because
//! which server and which database are in use is what an operator looks for.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::secret::HIDDEN;

/// A URL from the configuration.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretUrl(String);

impl SecretUrl {
    pub fn new(url: String) -> Self {
        Self(url)
    }

    /// The URL with its password; only for the place that connects.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What stands before the first colon.
    pub fn scheme(&self) -> &str {
        self.0.split_once(':').map_or("", |(scheme, _)| scheme)
    }

    /// Works on the text, not on a parsed URL: a password with an unescaped `@`, `/` or `#` parses
    /// into other parts and would be shown. Everything up to the last `@` counts as password.
    fn redacted(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let Some((scheme, rest)) = self.0.split_once("://") else {
            let is_path = self.0.starts_with("sqlite:");
            return if is_path { self.0.clone() } else { HIDDEN.to_owned() };
        };
        let (user, rest) = match rest.rsplit_once('@') {
            // A password parameter that has an `@` itself: no telling where it ends.
            Some((before, _)) if before.contains('?') && before.to_ascii_lowercase().contains("pass") => {
                return format!("{scheme}://{HIDDEN}");
            }
            Some((credentials, place)) => match credentials.split_once(':') {
                Some((user, _)) => (format!("{user}:{HIDDEN}@"), place),
                None => (format!("{credentials}@"), place),
            },
            None => (String::new(), rest),
        };
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, format!("?{}", redact_query(query))),
            None => (rest, String::new()),
        };
        format!("{scheme}://{user}{place}{query}")
    }
}

/// PostgreSQL takes `password` and `sslpassword` as parameters too.
fn redact_query(query: &str) -> String {
    let hide = |pair: &str| match pair.split_once('=') {
        Some((key, _)) if key.to_ascii_lowercase().contains("pass") => format!("{key}={HIDDEN}"),
        _ => pair.to_owned(),
    };
    query.split('&').map(hide).collect::<Vec<_>>().join("&")
}

impl fmt::Display for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

impl Serialize for SecretUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.redacted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_hidden_and_the_rest_is_readable() {
        for (url, shown) in [
            ("", ""),
            ("sqlite://data/bellhop.db", "sqlite://data/bellhop.db"),
            ("sqlite::memory:", "sqlite::memory:"),
            ("postgres://db:5432/bellhop", "postgres://db:5432/bellhop"),
            ("postgres://app@db/bellhop", "postgres://app@db/bellhop"),
            ("postgres://app:s3cret@db:5432/bellhop", "postgres://app:••••••@db:5432/bellhop"),
            ("postgres://:s3cret@db/bellhop", "postgres://:••••••@db/bellhop"),
            ("smtp://app:s3cret@mail:587?tls=required", "smtp://app:••••••@mail:587?tls=required"),
            ("postgres://db/b?user=a&password=s3cret", "postgres://db/b?user=a&password=••••••"),
        ] {
            let url = SecretUrl::new(url.to_owned());
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
        }
    }

    #[test]
    fn a_password_with_unescaped_signs_is_hidden_too() {
        for url in [
            "postgres://app:s3@cret@db/b",
            "postgres://app:s3#cret@db/b",
            "postgres://app:s3/cret?@db/b",
            "postgres://app:s3:cret@db/b",
            "postgres://db:5432/b?password=s3@cret",
            "host=db password=s3cret",
        ] {
            let shown = SecretUrl::new(url.to_owned()).to_string();
            assert!(!shown.contains("s3") && !shown.contains("cret"), "{shown}");
        }
    }
}
