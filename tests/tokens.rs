//! Tokens while the server runs: taken back, replaced by fresh ones, and the keys that sign them changed.

mod instances;
mod keys;
mod refresh;
mod revocation;

use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{TestApp, seconds_from_now, token_of};

impl TestApp {
    /// An administrator revokes tokens of a user.
    async fn revoke(&self, user: &str, what: &Value) -> Answer {
        self.post(&format!("/admin/users/{user}/revoke"), &self.token("root", &["ADMIN"]), what).await
    }

    /// An administrator ends a user's connections.
    async fn disconnect(&self, user: &str) -> Answer {
        self.post(&format!("/admin/users/{user}/disconnect"), &self.token("root", &["ADMIN"]), &json!({}))
            .await
    }

    /// Asserts that a token is good for requests.
    async fn assert_believes(&self, token: &str) {
        self.get("/notifications/count", token).await.expect(200);
    }

    /// Asserts that requests with a token are refused with this code.
    async fn assert_refuses(&self, token: &str, code: &str) {
        self.get("/notifications/count", token).await.expect_problem(401, code);
    }
}

/// A token for a user with this id, issued so many seconds from now.
fn token_named(user: &str, id: &str, issued: i64) -> String {
    let exp = seconds_from_now(3_600);
    token_of(&json!({"userId": user, "jti": id, "iat": seconds_from_now(issued), "exp": exp}))
}

/// A time as a body writes it.
fn time_from_now(seconds: i64) -> String {
    chrono::DateTime::from_timestamp(seconds_from_now(seconds), 0).expect("a time").to_rfc3339()
}
