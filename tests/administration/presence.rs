//! Who is online, as an administrator sees it.

use serde_json::{Value, json};

use crate::support::app::{TestApp, seconds_from_now, token_of};
use crate::support::both::{on_both_databases, on_both_databases_and_every_door};
use crate::support::deadline::wait_until_async;

async fn presence(app: &TestApp, query: &str) -> Value {
    app.get(&format!("/admin/presence{query}"), &app.token("root", &["ADMIN"])).await.expect(200)
}

fn ids(presence: &Value) -> Vec<&str> {
    presence["users"].as_array().unwrap().iter().map(|user| user["userId"].as_str().unwrap()).collect()
}

on_both_databases_and_every_door! {
    async fn everybody_is_told_of_with_every_connection(app) {
        let before = presence(&app, "").await;
        assert_eq!((&before["totalOnline"], &before["users"]), (&json!(0), &json!([])), "{before}");
        let mut phone = app.open(&app.token("ann", &["PROFESSIONAL"]), "").await;
        let phone_name = phone.await_connected().await["sessionId"].clone();
        let laptop = token_of(&json!({
            "userId": "ann", "roles": ["CUSTOMER"], "sessionId": "laptop", "exp": seconds_from_now(3_600)
        }));
        let laptop = app.connect_with(&laptop, "").await;
        let bob = app.connect_with(&app.token("bob", &["CUSTOMER"]), "").await;

        let now = presence(&app, "").await;
        assert_eq!((&now["totalOnline"], &now["connections"], &now["sessions"]), (&json!(2), &json!(3), &json!(1)));
        assert_eq!(now["byRole"], json!({"CUSTOMER": 2, "PROFESSIONAL": 1}), "{now}");
        assert_eq!(now["byDoor"], json!({app.door().label(): 3}), "{now}");
        assert_eq!(now["instances"][0]["instance"], now["instance"]);
        assert_eq!(now["instances"][0]["connections"], 3);
        assert_eq!(ids(&now), ["ann", "bob"]);
        let ann = &now["users"][0];
        assert_eq!((&ann["roles"], &ann["connections"]), (&json!(["CUSTOMER", "PROFESSIONAL"]), &json!(2)));
        let sessions = ann["sessions"].as_array().unwrap();
        let names: Vec<&Value> = sessions.iter().map(|session| &session["sessionId"]).collect();
        assert_eq!(names, [&phone_name, &json!("laptop")], "{now}");
        for session in sessions {
            assert_eq!(session["door"], app.door().label());
            assert!(session["since"].as_str().unwrap().ends_with('Z'));
        }

        laptop.close().await;
        bob.close().await;
        let left = wait_until_async("the others have gone", async || {
            Some(presence(&app, "").await).filter(|now| now["connections"] == 1)
        })
        .await;
        assert_eq!((&left["byRole"], &left["sessions"]), (&json!({"PROFESSIONAL": 1}), &json!(0)));
        drop(phone);
    }
}

on_both_databases! {
    async fn a_crowd_is_listed_a_page_at_a_time_with_whole_figures(app) {
        let mut crowd = Vec::new();
        for number in 0..7 {
            let role = if number % 2 == 0 { "CUSTOMER" } else { "PROFESSIONAL" };
            crowd.push(app.connect_with(&app.token(&format!("user-{number}"), &[role]), "").await);
        }
        let mut seen = Vec::new();
        let mut query = "?limit=3".to_owned();
        loop {
            let page = presence(&app, &query).await;
            assert_eq!((&page["totalOnline"], &page["connections"]), (&json!(7), &json!(7)));
            assert!(ids(&page).len() <= 3);
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            let Some(cursor) = page["nextCursor"].as_str() else { break };
            query = format!("?limit=3&cursor={cursor}");
        }
        assert_eq!(seen, (0..7).map(|number| format!("user-{number}")).collect::<Vec<_>>());
        let hosts = presence(&app, "?role=professional&limit=2").await;
        assert_eq!(ids(&hosts), ["user-1", "user-3"]);
        let rest = presence(&app, "?role=professional&limit=2&cursor=user-3").await;
        assert_eq!((ids(&rest), &rest["nextCursor"]), (vec!["user-5"], &Value::Null));
        assert_eq!(ids(&presence(&app, "?userId=user-4").await), ["user-4"]);
        for nobody in ["?userId=user-4&role=PROFESSIONAL", "?userId=nobody", "?role=NOBODY", "?cursor=user-6"] {
            let page = presence(&app, nobody).await;
            assert_eq!((ids(&page), &page["totalOnline"]), (vec![], &json!(7)), "{nobody}");
        }
    }
}
