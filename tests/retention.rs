//! What has become too old is removed by the server itself, and what is still to be told is not; who comes
//! back from before is told of a gap.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::{TestApp, seconds_from_now};
use crate::support::both::on_both_databases;
use crate::support::deadline::wait_until_async;
use crate::support::records::{execute, texts};

/// Soon and in the smallest batches; nothing is mailed meanwhile.
const EAGER: [(&str, &str); 8] = [
    ("BELLHOP__RETENTION__AUDIT_DAYS", "60"),
    ("BELLHOP__RETENTION__NOTIFICATIONS_DAYS", "30"),
    ("BELLHOP__RETENTION__RECEIPTS_DAYS", "60"),
    ("BELLHOP__RETENTION__INTERVAL_MS", "100"),
    ("BELLHOP__RETENTION__BATCH", "2"),
    ("BELLHOP__RETENTION__PAUSE_MS", "0"),
    ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "600000"),
    ("BELLHOP__DELIVERY__SETTLE_MS", "600000"),
];
/// The same, and everything is kept for ever.
const FOR_EVER: [(&str, &str); 5] = [
    ("BELLHOP__RETENTION__NOTIFICATIONS_DAYS", "0"),
    ("BELLHOP__RETENTION__RECEIPTS_DAYS", "0"),
    ("BELLHOP__RETENTION__INTERVAL_MS", "50"),
    ("BELLHOP__RETENTION__PAUSE_MS", "0"),
    ("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "600000"),
];

async fn notify(app: &TestApp, user: &str) -> String {
    let body = json!({"userId": user, "type": "LIKE"});
    let place = app.post("/notifications", &app.service(), &body).await.expect(201);
    place["notifications"][0]["id"].as_str().unwrap().to_owned()
}

async fn mark_all(app: &TestApp, user: &str) {
    app.post("/notifications/mark-read", &app.token(user, &[]), &json!({"all": true})).await.expect(200);
}

/// Makes a notification and everything that belongs to it so many days older; answers its new id.
fn age(app: &TestApp, id: &str, days: i64) -> String {
    let seconds = u64::try_from(seconds_from_now(-days * 86_400)).unwrap();
    let old = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, 0)).to_string();
    let by = days * 86_400_000_000;
    for change in [
        format!("UPDATE deliveries SET notification_id = '{old}' WHERE notification_id = '{id}'"),
        format!(
            "UPDATE receipts SET notification_id = '{old}', at = at - {by} WHERE notification_id = '{id}'"
        ),
        format!("UPDATE notifications SET id = '{old}', created_at = created_at - {by} WHERE id = '{id}'"),
    ] {
        execute(app.database_url(), &change);
    }
    old
}

fn ids(app: &TestApp, table: &str, id: &str) -> Vec<String> {
    texts(app.database_url(), &format!("SELECT DISTINCT {id} AS value FROM {table} ORDER BY 1"))
}

fn removed(page: &str, table: &str) -> Option<f64> {
    let name = format!("bellhop_retention_removed_total{{table=\"{table}\"}} ");
    page.lines().find_map(|line| line.strip_prefix(&name)).map(|value| value.parse().unwrap())
}

on_both_databases! {
    async fn what_has_become_too_old_is_removed_and_told_as_a_gap(mut app, super::EAGER) {
        let mut device = app.connect("ann").await;
        let mut made = Vec::new();
        for _ in 0..6 {
            made.push(notify(&app, "ann").await);
        }
        mark_all(&app, "ann").await;
        let pending = notify(&app, "bob").await;
        while device.next_event("notificationRead").await["unread"] != 0 {}
        app.stop().await;
        let (old, very_old): (Vec<String>, Vec<String>) = (
            made[2..5].iter().map(|id| age(&app, id, 40)).collect(),
            made[..2].iter().map(|id| age(&app, id, 70)).collect(),
        );
        let pending = age(&app, &pending, 400);
        app.start_again().await;

        wait_until_async("the old ones are gone", async || {
            let page = app.get("/metrics", "").await.text;
            let all = (removed(&page, "notifications"), removed(&page, "receipts"));
            matches!(all, (Some(5.0), Some(2.0..))).then_some(())
        })
        .await;
        assert_eq!(ids(&app, "notifications", "id"), [pending.as_str(), made[5].as_str()], "one is still to be told");
        assert_eq!(ids(&app, "deliveries", "notification_id"), [pending.as_str(), made[5].as_str()]);
        // Each has one of its confirmation and one of its reading, which may go one after the other.
        wait_until_async("the very old receipts are gone", async || {
            let kept = ids(&app, "receipts", "notification_id");
            very_old.iter().all(|id| !kept.contains(id)).then_some(())
        })
        .await;
        let kept = ids(&app, "receipts", "notification_id");
        assert!(old.iter().all(|id| kept.contains(id)), "receipts go by their own age: {kept:?}");

        let count: Value = app.get("/notifications/count", &app.token("ann", &[])).await.expect(200);
        assert_eq!([&count["total"], &count["unread"], &count["seq"]], [1, 0, 6]);
        let mut device = app.connect_with(&app.token("ann", &[]), "?since=2").await;
        assert_eq!(device.next_event("gap").await, json!({"after": 2, "oldest": 6}));
        assert_eq!(device.next_event("LIKE").await["seq"], 6);
    }

    async fn the_audit_and_old_broadcasts_go_by_their_own_age(app, super::EAGER) {
        let root = app.token("root", &["ADMIN"]);
        app.get("/admin/presence", &root).await.expect(200);
        app.get("/admin/audit", &root).await.expect(200);
        let body = json!({"type": "LIKE", "role": "NOBODY"});
        for _ in 0..2 {
            app.post("/admin/notifications/broadcast", &root, &body).await.expect(202);
        }
        wait_until_async("the broadcasts are done", async || {
            let done = "SELECT id AS value FROM broadcasts WHERE finished_at IS NOT NULL ORDER BY 1";
            (texts(app.database_url(), done).len() == 2).then_some(())
        })
        .await;
        let old = Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, 1_600_000_000, 0));
        for change in [
            "UPDATE audit SET at = at - 8640000000000 WHERE action = 'read_presence'".to_owned(),
            format!("UPDATE broadcasts SET id = '{old}' WHERE id = (SELECT MIN(id) FROM broadcasts)"),
        ] {
            execute(app.database_url(), &change);
        }
        wait_until_async("the old ones are gone", async || {
            let page = app.get("/metrics", "").await.text;
            let gone = (removed(&page, "audit"), removed(&page, "broadcasts"));
            (gone == (Some(1.0), Some(1.0))).then_some(())
        })
        .await;
        assert_eq!(ids(&app, "audit", "action"), ["broadcast", "read_audit"]);
        assert_eq!(ids(&app, "broadcasts", "id").len(), 1);
    }

    async fn an_unread_one_that_has_gone_is_taken_from_every_devices_count(app, super::EAGER) {
        let mut device = app.connect("ann").await;
        let first = notify(&app, "ann").await;
        notify(&app, "ann").await;
        while device.next_event("notification:unread_count").await["unread"] != 2 {}
        app.wait_for_delivery(&json!({"id": first}), "confirmed").await;
        age(&app, &first, 40);
        assert_eq!(device.next_event("notification:unread_count").await, json!({"unread": 1, "seq": 2}));
    }

    async fn what_is_kept_for_ever_is_not_looked_at(app, super::FOR_EVER) {
        let id = notify(&app, "ann").await;
        mark_all(&app, "ann").await;
        let old = age(&app, &id, 4_000);
        wait_until_async("a sweep has been", async || {
            let page = app.get("/metrics", "").await.text;
            removed(&page, "receipts").map(|count| assert!(count == 0.0, "{count}"))
        })
        .await;
        assert_eq!(ids(&app, "notifications", "id"), [old.as_str()]);
        assert_eq!(ids(&app, "receipts", "notification_id"), [old.as_str()]);
    }
}
