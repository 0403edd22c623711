//! Nobody but administrators gets any of it, and nothing that others try is kept as a deed.

use serde_json::json;

use crate::support::answer::Answer;
use crate::support::app::TestApp;
use crate::support::both::on_both_databases;

/// Every route of administrators', with a path that exists or does not: that is not to be told.
const ROUTES: [(&str, &str); 9] = [
    ("POST", "/admin/users/mallory/disconnect"),
    ("POST", "/admin/users/mallory/revoke"),
    ("GET", "/admin/notifications/logs"),
    ("GET", "/admin/notifications/stats"),
    ("POST", "/admin/notifications/broadcast"),
    ("GET", "/admin/notifications/broadcasts/0198a1b2-0000-7000-8000-000000000001"),
    ("GET", "/admin/presence"),
    ("GET", "/admin/audit"),
    ("GET", "/admin/notifications/0198a1b2-0000-7000-8000-000000000001/trail"),
];

async fn ask(app: &TestApp, method: &str, path: &str, token: &str) -> Answer {
    match method {
        "GET" => app.get(path, token).await,
        _ => app.post(path, token, &json!({"type": "LIKE", "all": true})).await,
    }
}

on_both_databases! {
    async fn every_route_is_the_administrators_alone(app) {
        for (method, path) in ROUTES {
            for roles in [&[][..], &["CUSTOMER"], &["PROFESSIONAL"], &["SERVICE"], &["ADMINISTRATOR", "ROLE_ADMIN"]] {
                let token = app.token("mallory", roles);
                ask(&app, method, path, &token).await.expect_problem(403, "forbidden");
                let odd = format!("{path}?limit=0&cursor=%00");
                ask(&app, method, &odd, &token).await.expect_problem(403, "forbidden");
            }
            ask(&app, method, path, "").await.expect_problem(401, "token_missing");
            ask(&app, method, path, "x.y.z").await.expect_problem(401, "token_malformed");
        }
        let root = app.token("root", &["ADMIN"]);
        let kept = app.get("/admin/audit", &root).await.expect(200);
        let deeds: Vec<_> = kept["items"].as_array().unwrap().iter().map(|item| &item["action"]).collect();
        assert_eq!(deeds, ["read_audit"], "what was refused is no deed: {kept}");
    }

    async fn what_an_administrator_does_as_others_do_is_kept_as_well(app) {
        let root = app.token("root", &["ADMIN"]);
        let booked = app.post("/bookings", &root, &crate::support::app::booking("host")).await.expect(201);
        let id = booked["booking"]["id"].as_str().unwrap();
        app.get(&format!("/bookings/{id}"), &root).await.expect(200);
        app.post(&format!("/bookings/{id}/cancel"), &root, &json!({})).await.expect(200);
        for body in [
            json!({"type": "LIKE", "userId": "ann"}),
            json!({"type": "LIKE", "userIds": ["ann", "bob"]}),
            json!({"type": "LIKE", "role": "CUSTOMER"}),
        ] {
            app.post("/notifications", &root, &body).await.expect(201);
        }
        app.tell("ann", 1).await;
        let kept = app.get("/admin/audit?actor=root", &root).await.expect(200);
        let deeds: Vec<_> =
            kept["items"].as_array().unwrap().iter().map(|item| (&item["action"], &item["target"])).collect();
        let wanted = [
            (json!("read_audit"), json!(null)),
            (json!("publish"), json!("CUSTOMER")),
            (json!("publish"), json!(null)),
            (json!("publish"), json!("ann")),
            (json!("move_booking"), json!(id)),
            (json!("read_booking"), json!(id)),
            (json!("book"), json!("host")),
        ];
        assert_eq!(deeds, wanted.iter().map(|(action, target)| (action, target)).collect::<Vec<_>>());
        assert_eq!(kept["items"][2]["detail"], json!({"type": "LIKE", "passing": false, "users": 2}));
        let others = app.get("/admin/audit?action=publish", &root).await.expect(200);
        assert_eq!(others["items"].as_array().unwrap().len(), 3, "a service's are no deeds");
    }

    async fn roles_are_compared_without_case_and_every_list_refuses_what_it_does_not_know(app) {
        let root = app.token("root", &["Admin"]);
        for (path, field) in [
            ("/admin/presence?limit=0", "limit"),
            ("/admin/presence?limit=201", "limit"),
            ("/admin/presence?cursor=a%20b", "cursor"),
            ("/admin/presence?role=a%20b", "role"),
            ("/admin/presence?userId=", "userId"),
            ("/admin/audit?limit=-1", "limit"),
            ("/admin/audit?cursor=zzz", "cursor"),
            ("/admin/audit?action=nothing", "action"),
            ("/admin/audit?step=nothing", "step"),
            ("/admin/audit?notificationId=7", "notificationId"),
            ("/admin/audit?target=", "target"),
            ("/admin/audit?target=%00", "target"),
            ("/admin/audit?from=yesterday", "from"),
            ("/admin/audit?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "from"),
        ] {
            let problem = app.get(path, &root).await.expect_problem(400, "invalid_query");
            assert_eq!(problem["field"], field, "{path}: {problem}");
        }
        app.get("/admin/presence?limit=x", &root).await.expect_problem(400, "invalid_query");
        app.get("/admin/presence", &root).await.expect(200);
    }
}
