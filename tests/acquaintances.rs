//! What the token of a plain request says of a person is kept: the last word, and in spite of failures.

use bellhop::storage::{AnyConnection, StorageError};
use diesel::RunQueryDsl;
use serde_json::json;

use crate::support::app::{TestApp, seconds_from_now, token_of};
use crate::support::both::on_both_databases;
use crate::support::deadline::wait_until_async;
use crate::support::records::texts;

fn token(email: &str) -> String {
    token_of(&json!({"userId": "ann", "email": email, "exp": seconds_from_now(3_600)}))
}

async fn ask(app: &TestApp, token: &str) {
    app.get("/notifications/count", token).await.expect(200);
}

fn has_address(app: &TestApp, email: &str) -> Option<()> {
    const ADDRESS: &str = "SELECT email AS value FROM recipients WHERE user_id = 'ann' AND email IS NOT NULL";
    (texts(app.database_url(), ADDRESS) == [email]).then_some(())
}

fn rename(app: &TestApp, from: &str, to: &str) {
    let sql = format!("ALTER TABLE {from} RENAME TO {to}");
    let renamed = app.database().write(|connection| {
        match connection {
            AnyConnection::Postgres(connection) => diesel::sql_query(&sql).execute(connection)?,
            AnyConnection::Sqlite(connection) => diesel::sql_query(&sql).execute(connection)?,
        };
        Ok::<(), StorageError>(())
    });
    renamed.unwrap();
}

on_both_databases! {
    async fn the_last_token_has_the_last_word_also_when_it_was_seen_before(app) {
        for email in ["a@example.org", "b@example.org", "a@example.org"] {
            ask(&app, &token(email)).await;
            wait_until_async(email, async || has_address(&app, email)).await;
        }
    }

    async fn an_address_that_could_not_be_kept_is_kept_later(app) {
        let token = token("ann@example.org");
        rename(&app, "recipients", "elsewhere");
        ask(&app, &token).await;
        // Written after it by the same clerk: what was asked before has failed by now.
        let failed = app.put("/notifications/preferences", &app.service(), &json!({})).await;
        failed.expect_problem(500, "internal");
        rename(&app, "elsewhere", "recipients");
        wait_until_async("the address is kept", async || {
            ask(&app, &token).await;
            has_address(&app, "ann@example.org")
        })
        .await;
    }
}
