//! Tokens that are not believed: `connect_error` with words for people and a code for programs, no room
//! joined, and nobody online.

use serde_json::{Value, json};

use super::{await_everybody_gone, patient, settings_with, with_cookie};
use crate::support::app::{seconds_from_now, token_of};
use crate::support::node::{Client, count, with_both_clients, with_every_client};

/// Asserts that the script is refused with this code.
async fn assert_refused(client: &Client, script: &str, settings: &Value, code: &str) {
    let mut page = client.run(script, settings);
    let error = page.await_line("connect_error").await;
    assert_eq!(error["data"]["code"], code, "{script}: {error}");
    assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    page.tell_to("status").await;
    assert_eq!(page.await_line("status").await["connected"], false);
    page.tell_to("disconnect").await;
    let rest = page.finish().await;
    assert_eq!(count(&rest, "connect") + count(&rest, "event"), 0, "{rest:?}");
}

/// A token that is good but for its end.
fn expired() -> String {
    token_of(&json!({"userId": "7", "exp": seconds_from_now(-3_600)}))
}

with_every_client! {
    async fn a_missing_token_is_refused(client) {
        let app = patient().start().await;
        for script in ["visual_architecture.mjs", "presence_sse.mjs"] {
            let settings = settings_with(&app, "7", &json!({"token": null}));
            assert_refused(&client, script, &settings, "token_missing").await;
        }
        await_everybody_gone(&app).await;
    }
}

with_both_clients! {
    async fn a_token_that_is_not_believed_is_refused_however_it_comes(client) {
        let app = patient().start().await;
        let forged = format!("{}x", app.token("7", &[]));
        for way in ["header", "query", "auth", ""] {
            for (token, code) in [
                ("nonsense", "token_malformed"),
                (&*forged, "token_signature"),
                (&*expired(), "token_expired"),
            ] {
                let settings = settings_with(&app, "7", &json!({"token": token, "way": way}));
                assert_refused(&client, "presence_sse.mjs", &settings, code).await;
            }
        }
        await_everybody_gone(&app).await;
    }

    async fn a_cookie_that_is_not_believed_is_refused(client) {
        let app = patient().start().await;
        let settings = settings_with(&app, "7", &json!({"token": null, "options": with_cookie(&expired())}));
        assert_refused(&client, "visual_architecture.mjs", &settings, "token_expired").await;
    }

    async fn a_page_of_another_origin_is_refused_and_one_of_the_configured_is_not(client) {
        let app = patient().with("CORS_ORIGIN", "http://localhost:5173").start().await;
        for transports in [&["websocket"][..], &["polling"]] {
            let client = client.clone().over(transports);
            let from = |origin: &str| {
                let mut options = with_cookie(&app.token("7", &[]));
                options["extraHeaders"]["Origin"] = json!(origin);
                settings_with(&app, "7", &json!({"token": null, "options": options}))
            };
            let mut page = client.run("visual_architecture.mjs", &from("http://localhost:5173"));
            page.await_line("✅ Subscribed:").await;
            page.leave("unmount").await;
            let mut page = client.run("visual_architecture.mjs", &from("http://localhost:5174"));
            page.await_line("connect_error").await;
            page.tell_to("unmount").await;
            assert_eq!(count(&page.finish().await, "connect"), 0);
        }
        await_everybody_gone(&app).await;
    }
}
