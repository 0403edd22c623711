//! Who saw and did what, in one list.

use std::time::Duration;

use bellhop::domain::{AdminAction, AuditEntry, Step};
use bellhop::storage::audit::list::{Entry, Filter, page};
use bellhop::storage::audit::record;
use bellhop::storage::history;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::{TestApp, seconds_from_now, token_of};
use crate::support::both::{on_both_databases, on_both_stores};
use crate::support::store::{NOW, TestStore, device, note, user};

/// Nothing is mailed while a slow machine works.
const LONG: [(&str, &str); 1] = [("BELLHOP__DELIVERY__ESCALATE_AFTER_MS", "600000")];

async fn audit(app: &TestApp, query: &str) -> Vec<Value> {
    let token = token_of(&json!({
        "userId": "root", "role": "ADMIN", "sid": "office", "exp": seconds_from_now(3_600)
    }));
    app.get(&format!("/admin/audit{query}"), &token).await.expect(200)["items"].as_array().unwrap().clone()
}

on_both_databases! {
    async fn what_users_and_administrators_did_stands_in_one_list(app, super::LONG) {
        let silent = app.connect("host").await;
        let booked = app.book("guest", "host").await;
        let id = booked["notification"]["id"].as_str().unwrap();
        let phone = token_of(&json!({"userId": "host", "sid": "phone", "exp": seconds_from_now(3_600)}));
        app.post("/notifications/mark-read", &phone, &json!({"ids": [id]})).await.expect(200);
        let root = token_of(&json!({"userId": "root", "role": "ADMIN", "exp": seconds_from_now(3_600)}));
        let request = app.client().get(app.url(&format!("/admin/notifications/{id}/trail")));
        app.send(request.header("x-request-id", "asked-1"), &root).await.expect(200);
        app.get("/admin/presence?userId=host&limit=7", &root).await.expect(200);

        let all = audit(&app, "").await;
        let told: Vec<&str> = all.iter().map(|item| item["kind"].as_str().unwrap()).collect();
        assert_eq!(told, ["deed", "deed", "deed", "receipt"], "{all:?}");
        let read = &all[3];
        assert_eq!(
            [&read["actor"], &read["userId"], &read["step"], &read["device"], &read["channel"]],
            ["host", "host", "read", "phone", "rest"]
        );
        assert_eq!(read["notificationId"], id);
        let trail = &all[2];
        assert_eq!([&trail["actor"], &trail["action"], &trail["requestId"]], ["root", "read_trail", "asked-1"]);
        assert_eq!((&trail["target"], &trail["device"]), (&json!(id), &Value::Null));
        assert_eq!(all[1]["detail"], json!({"limit": 7, "userId": "host"}));
        assert_eq!((&all[0]["action"], &all[0]["device"]), (&json!("read_audit"), &json!("office")), "itself, too");
        let times: Vec<&str> = all.iter().map(|item| item["at"].as_str().unwrap()).collect();
        assert!(times.is_sorted_by(|one, other| one >= other), "{times:?}");

        for (query, wanted) in [
            ("?step=read", vec!["read"]),
            ("?step=deleted", vec![]),
            ("?userId=host", vec!["read_presence", "read"]),
            ("?userId=guest", vec![]),
            ("?action=read_trail", vec!["read_trail"]),
            ("?action=read_trail&step=read", vec!["read_trail", "read"]),
            ("?target=host", vec!["read_presence"]),
            (&format!("?notificationId={id}"), vec!["read_trail", "read"]),
            (&format!("?notificationId={id}&step=read"), vec!["read"]),
            ("?actor=root&action=read_presence", vec!["read_presence"]),
            ("?actor=nobody", vec![]),
            ("?from=2099-01-01T00:00:00Z", vec![]),
            ("?to=2001-01-01T00:00:00Z", vec![]),
            ("?from=2001-01-01T00:00:00Z&to=2099-01-01T00:00:00Z&step=read", vec!["read"]),
        ] {
            let found = audit(&app, query).await;
            let told = |item: &Value| item["step"].as_str().or(item["action"].as_str()).unwrap().to_owned();
            assert_eq!(found.iter().map(told).collect::<Vec<_>>(), wanted, "{query}");
        }
        drop(silent);
    }
}

/// Everything in the order of the list, a page at a time.
fn walk(store: &TestStore, filter: &Filter, limit: usize) -> Vec<Entry> {
    let (mut place, mut all) = (None, Vec::new());
    loop {
        let found = page(&mut store.connection(), filter, place, limit).unwrap();
        assert!(found.entries.len() <= limit);
        all.extend(found.entries);
        place = found.next;
        if place.is_none() {
            return all;
        }
    }
}

fn name(entry: &Entry) -> String {
    match entry {
        Entry::Seen(seen) => format!("{} {} {}", entry.at(), seen.device, seen.notification_id),
        Entry::Deed(deed) => deed.request_id.clone(),
    }
}

fn deed(number: u64) -> AuditEntry {
    AuditEntry {
        id: Uuid::now_v7(),
        at: NOW.plus(Duration::from_secs(number / 3)),
        actor: user(if number.is_multiple_of(2) { "root" } else { "other" }),
        device: String::new(),
        action: if number.is_multiple_of(5) { AdminAction::ReadLogs } else { AdminAction::ReadTrail },
        target: number.is_multiple_of(7).then(|| "host".to_owned()),
        detail: None,
        request_id: format!("deed-{number}"),
    }
}

on_both_stores! {
    fn pages_leave_nothing_out_and_tell_nothing_twice_also_of_one_moment(store) {
        let ids: Vec<_> = store.append(&[note(&["host"; 9])]).iter().map(|one| one.notification.id).collect();
        // Nine receipts each of two devices at one time, which is that of three deeds as well.
        for (second, name) in [(0, "phone"), (0, "laptop"), (1, "phone")] {
            let at = NOW.plus(Duration::from_secs(second));
            let selection = bellhop::domain::Selection::Ids(ids.clone());
            store.write(|connection| {
                diesel::RunQueryDsl::execute(
                    diesel::sql_query("UPDATE notifications SET read_at = NULL"), connection)?;
                diesel::RunQueryDsl::execute(diesel::sql_query("UPDATE inboxes SET unread = 9"), connection)?;
                diesel::RunQueryDsl::execute(
                    diesel::sql_query("UPDATE inbox_categories SET unread = 9"), connection)?;
                history::read(connection, &device("host", name), &selection, history::Course::default(), at)
            });
        }
        for number in 0..20 {
            store.write(|connection| record(connection, &deed(number)));
        }
        let whole: Vec<String> = walk(&store, &Filter::default(), 100).iter().map(name).collect();
        assert_eq!(whole.len(), 27 + 20);
        let mut once = whole.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), whole.len(), "each once");
        for limit in [1, 2, 5, 46, 47] {
            let paged: Vec<String> = walk(&store, &Filter::default(), limit).iter().map(name).collect();
            assert_eq!(paged, whole, "{limit} at a time");
        }
        let count = |filter: Filter| walk(&store, &filter, 2).len();
        assert_eq!(count(Filter { actor: Some(user("root")), ..Filter::default() }), 10);
        assert_eq!(count(Filter { user: Some(user("host")), ..Filter::default() }), 27 + 3);
        assert_eq!(count(Filter { action: Some(AdminAction::ReadLogs), ..Filter::default() }), 4);
        assert_eq!(count(Filter { step: Some(Step::Read), ..Filter::default() }), 27);
        assert_eq!(count(Filter { notification: Some(ids[0]), ..Filter::default() }), 3);
        let both = Filter { target: Some("host".into()), actor: Some(user("root")), ..Filter::default() };
        assert_eq!(count(both), 2, "0 and 14");
        let later = NOW.plus(Duration::from_secs(1));
        assert_eq!(count(Filter { from: Some(later), ..Filter::default() }), 9 + 17);
        assert_eq!(count(Filter { to: Some(later), ..Filter::default() }), 18 + 3);
    }
}
