//! Links that open preferences: which a mail brings, what each of them opens, and what they never do.

use serde_json::{Value, json};

use crate::support::answer::Answer;
use crate::support::app::{TestApp, mail_of, token_with_mail};
use crate::support::both::on_both_databases;
use crate::support::deadline::wait_until_async;

const PREFERENCES: &str = "/notifications/preferences";
const LINK: &str = "/notifications/preferences/link";

/// A server that browsers reach by a name of its own.
const SERVER: [(&str, &str); 1] = [("BELLHOP__SERVER__EXTERNAL_URL", "https://notify.example.com/")];

/// The key of the link in the host's next mail, which a booking makes come.
async fn key_of_next_mail(app: &TestApp) -> (String, String) {
    // Makes the address known, which is kept behind the answer.
    let host = token_with_mail("host");
    wait_until_async("the address to be known", async || {
        let issued = app.post(LINK, &host, &json!({})).await.expect(201);
        let key = issued["url"].as_str()?.split_once("#key=")?.1.to_owned();
        open(app, &key).await.expect(200)["address"].is_string().then_some(())
    })
    .await;
    app.book("guest", "host").await;
    let mail = app.next_mail(&mail_of("host")).await;
    let unfolded = mail.replace("=\r\n", "").replace("=3D", "=").replace("\r\n ", " ");
    let link = "https://notify.example.com/preferences#key=";
    let key = unfolded.split(link).nth(1).unwrap_or_else(|| panic!("no link in {unfolded}"));
    let key: String = key.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).collect();
    (key, unfolded)
}

async fn with_key(app: &TestApp, request: reqwest::RequestBuilder, key: &str) -> Answer {
    app.send(request.header("x-link-key", key), "").await
}

async fn open(app: &TestApp, key: &str) -> Answer {
    with_key(app, app.client().get(app.url(LINK)), key).await
}

async fn save(app: &TestApp, key: &str, preferences: &Value) -> Answer {
    with_key(app, app.client().put(app.url(PREFERENCES)).json(preferences), key).await
}

fn unsubscribe(key: &str) -> String {
    format!("/notifications/unsubscribe?key={key}")
}

on_both_databases! {
    async fn a_mails_link_opens_what_comes_by_mail_and_nothing_else(app, super::SERVER) {
        let host = token_with_mail("host");
        app.put(PREFERENCES, &host, &json!({"locale": "de", "channels": {"reviews": {"email": false}}})).await.expect(200);
        let (key, _) = key_of_next_mail(&app).await;

        let opened = open(&app, &key).await.expect(200);
        assert_eq!((&opened["scope"], &opened["category"]), (&json!("mail"), &json!("bookings")));
        assert_eq!(opened["categories"], json!(["bookings", "reviews", "system"]));
        assert_eq!(opened["preferences"], json!({
            "email": null, "locale": null, "timeZone": null, "channels": {"reviews": {"email": false}},
        }));
        let hint = opened["address"].as_str().unwrap();
        assert!(hint.starts_with("h…@") && !hint.contains("host"), "{hint}");

        for more in [json!({"email": "mallory@example.org"}), json!({"locale": "fr"}), json!({"timeZone": "Europe/Paris"})] {
            save(&app, &key, &more).await.expect_problem(403, "link_scope");
        }
        save(&app, &key, &json!({"channels": {"bookings": {"email": false}}})).await.expect(200);
        assert_eq!(app.get(PREFERENCES, &host).await.expect(200), json!({
            "email": null, "locale": "de", "timeZone": null,
            "channels": {"bookings": {"email": false}, "reviews": {"email": false}},
        }));
        // Nowhere else, and for nobody else.
        let count = with_key(&app, app.client().get(app.url("/notifications/count")), &key).await;
        count.expect_problem(401, "token_missing");
    }

    async fn only_a_post_ends_mail_of_a_kind(app, super::SERVER) {
        let (key, mail) = key_of_next_mail(&app).await;
        let header = format!("List-Unsubscribe: <https://notify.example.com{}>", unsubscribe(&key));
        assert!(mail.contains(&header), "{mail}");
        assert!(mail.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{mail}");

        let no_redirect = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let scanned = app.send(no_redirect.get(app.url(&unsubscribe(&key))), "").await;
        assert_eq!(scanned.status, 303);
        assert_eq!(scanned.header("location"), Some(format!("https://notify.example.com/preferences#key={key}").as_str()));
        app.book("guest", "host").await;
        app.next_mail(&mail_of("host")).await;

        let form = app.client().post(app.url(&unsubscribe(&key))).body("List-Unsubscribe=One-Click");
        let form = form.header("content-type", "application/x-www-form-urlencoded");
        let stopped = app.send(form, "").await.expect(200);
        assert_eq!(stopped["channels"], json!({"bookings": {"email": false}}));
        let booked = app.book("guest", "host").await;
        app.wait_for_delivery(&booked["notification"], "suppressed").await;
    }

    async fn a_link_that_was_asked_for_opens_everything_for_its_user(app, super::SERVER) {
        let host = token_with_mail("host");
        let issued = app.post(LINK, &host, &json!({})).await.expect(201);
        let key = issued["url"].as_str().unwrap().strip_prefix("https://notify.example.com/preferences#key=").unwrap();
        assert_eq!(open(&app, key).await.expect(200)["scope"], "person");
        let chosen = json!({"email": "zoe@example.org", "locale": "fr", "timeZone": null, "channels": {}});
        assert_eq!(save(&app, key, &chosen).await.expect(200), chosen);
        assert_eq!(app.get(PREFERENCES, &host).await.expect(200), chosen);
        assert_ne!(app.get(PREFERENCES, &token_with_mail("other")).await.expect(200), chosen);
        // It lives no longer than the tokens that it was asked for with.
        let admin = app.token("admin", &["ADMIN"]);
        app.post("/admin/users/host/revoke", &admin, &json!({})).await.expect(200);
        open(&app, key).await.expect_problem(401, "link_expired");
        save(&app, key, &chosen).await.expect_problem(401, "link_expired");
        let again = app.post(LINK, &token_with_mail("other"), &json!({})).await.expect(201);
        let key = again["url"].as_str().unwrap().split_once("#key=").unwrap().1;
        // It came with no mail that could be stopped.
        app.send(app.client().post(app.url(&unsubscribe(key))), "").await.expect_problem(403, "link_scope");
    }

    async fn what_is_no_link_opens_nothing(app, super::SERVER) {
        let (key, _) = key_of_next_mail(&app).await;
        let cut = &key[..key.len() - 1];
        for no_key in [cut, "", "a", "AQ", &"A".repeat(5_000)] {
            if !no_key.is_empty() {
                open(&app, no_key).await.expect_problem(401, "link_invalid");
                save(&app, no_key, &json!({})).await.expect_problem(401, "link_invalid");
            }
            app.send(app.client().post(app.url(&unsubscribe(no_key))), "").await.expect_problem(401, "link_invalid");
            // The page has words for it.
            let followed = reqwest::redirect::Policy::none();
            let client = reqwest::Client::builder().redirect(followed).build().unwrap();
            let sent_on = app.send(client.get(app.url(&unsubscribe(no_key))), "").await;
            let page = format!("https://notify.example.com/preferences#key={no_key}");
            assert_eq!((sent_on.status, sent_on.header("location")), (303, Some(page.as_str())));
        }
        app.get(LINK, "").await.expect_problem(401, "link_invalid");
        app.post(LINK, "", &json!({})).await.expect_problem(401, "token_missing");
    }

    async fn no_more_is_kept_of_a_persons_choices_by_links_than_by_a_token(app, super::SERVER) {
        let (key, _) = key_of_next_mail(&app).await;
        let choices = |numbers: std::ops::Range<usize>| {
            let channels: serde_json::Map<String, Value> =
                numbers.map(|number| (format!("kind-{number}"), json!({"email": false}))).collect();
            json!({"channels": channels})
        };
        save(&app, &key, &choices(0..50)).await.expect(200);
        save(&app, &key, &choices(10..50)).await.expect(200);
        save(&app, &key, &choices(50..51)).await.expect_problem(422, "too_many_choices");
        save(&app, &key, &choices(0..51)).await.expect_problem(422, "invalid_field");
    }
}
