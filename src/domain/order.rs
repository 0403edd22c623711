//! What an administrator orders of a user's tokens and connections, as it is kept and as every instance carries it
//! out. Made at the routes; instances learn of each other's orders from the database.

use super::clock::Timestamp;
use super::ids::UserId;
use super::invalid::Invalid;

/// The longest id of a token by which it can be revoked, in characters.
pub const TOKEN_ID_MAX: usize = 256;

/// An order concerning one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub user: UserId,
    pub demand: Demand,
    pub at: Timestamp,
}

/// What is to happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// The user's connections end; their tokens stay good.
    Disconnect,
    /// The user's token with this id is believed no more.
    RevokeToken(Box<str>),
    /// The user's tokens that were issued before this time are believed no more, nor those that do not say when they
    /// were.
    RevokeIssuedBefore(Timestamp),
}

impl Demand {
    /// Accepts the id of a token as its `jti` says it.
    pub fn revoke_token(field: &'static str, id: &str) -> Result<Self, Invalid> {
        if id.is_empty() || id.chars().count() > TOKEN_ID_MAX {
            return Err(Invalid::new(field, format!("must have 1 to {TOKEN_ID_MAX} characters")));
        }
        if id.chars().any(char::is_control) {
            return Err(Invalid::new(field, "must not contain control characters"));
        }
        Ok(Self::RevokeToken(id.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_token_could_be_called_names_one() {
        assert_eq!(Demand::revoke_token("jti", "t 1"), Ok(Demand::RevokeToken("t 1".into())));
        for id in ["", "a\0b", "a\nb", &"x".repeat(TOKEN_ID_MAX + 1)] {
            Demand::revoke_token("jti", id).expect_err(id);
        }
    }
}
