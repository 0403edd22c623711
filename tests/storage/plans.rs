//! How the databases go about reading an inbox: by an index that has the rows in order, whatever is asked for.
//! What takes a moment in a test's table takes minutes in a long one.

use bellhop::domain::{AdminAction, NotificationId, Step, Timestamp};
use bellhop::storage::audit::list;
use bellhop::storage::{AnyConnection, StorageError, bookings, figures, logs, retention};
use diesel::RunQueryDsl;

use crate::support::both::on_both_stores;
use crate::support::shapes::{fill, plan, plans_of, shapes};
use crate::support::store::{NOW, user};

/// Enough that reading all of it looks dearer than an index, and a page's worth of the rarest kind.
const ROWS: i64 = 10_000;
const OWN: i64 = 5_000;

on_both_stores! {
    fn no_shape_of_query_reads_or_sorts_more_than_it_answers(store) {
        let connection = &mut *store.connection();
        fill(connection, ROWS, OWN).unwrap();
        for shape in shapes(OWN) {
            assert!(shape.run(connection).unwrap() > 2, "{} finds what it looks for", shape.name);
            let plan = plan(connection, &shape).unwrap();
            assert!(plan.iter().any(|line| line.contains("Index") || line.contains("INDEX") || line.contains("PRIMARY KEY")), "{}: {plan:#?}", shape.name);
            for wrong in ["Seq Scan", "Sort", "SCAN ", "TEMP B-TREE"] {
                assert!(plan.iter().all(|line| !line.contains(wrong)), "{}: {plan:#?}", shape.name);
            }
        }
    }

    fn administrators_lists_go_by_indexes_however_much_is_kept(store) {
        let connection = &mut *store.connection();
        fill(connection, ROWS, OWN).unwrap();
        for sql in [
            "INSERT INTO deliveries (notification_id, channel, state, attempts, escalate_at) \
             SELECT id, 'email', 'confirmed', 0, 0 FROM notifications",
            "INSERT INTO receipts (notification_id, user_id, at, step, channel, device) \
             SELECT id, user_id, created_at, 'confirmed', 'sse', 'd' FROM notifications",
            "INSERT INTO audit (id, at, actor_id, device, action, target, request_id) \
             SELECT id, created_at, user_id, '', 'read_logs', user_id, '' FROM notifications",
        ] {
            diesel::sql_query(sql).execute(connection).unwrap();
        }
        if let AnyConnection::Postgres(connection) = connection {
            diesel::sql_query("ANALYZE").execute(connection).unwrap();
        }
        for (name, run) in lists() {
            let plans = plans_of(connection, run).unwrap();
            assert!(!plans.is_empty(), "{name}");
            for (statement, plan) in plans {
                for wrong in ["Seq Scan", "SCAN "] {
                    assert!(plan.iter().all(|line| !line.contains(wrong)), "{name}: {statement} {plan:#?}");
                }
                if statement.contains("ORDER BY") {
                    let sorts = |line: &String| {
                        let whole = line.contains("Sort") && !line.contains("Sort Key");
                        (whole && !line.contains("Incremental")) || line.contains("TEMP B-TREE FOR ORDER BY")
                    };
                    let whole = plan.iter().filter(|line| !line.contains("Presorted")).any(sorts);
                    assert!(!whole, "{name}: {statement} {plan:#?}");
                }
            }
        }
    }
}

on_both_stores! {
    /// Of stays that are over there are far more than of those that are near.
    fn looking_whom_to_remind_reads_the_days_that_are_due(store) {
        let connection = &mut *store.connection();
        let (id, soon) = match connection {
            AnyConnection::Postgres(_) => ("gen_random_uuid()::text", "DATE '2031-12-03'"),
            AnyConnection::Sqlite(_) => ("'01980000-0000-7000-8000-' || printf('%012d', i)", "'2031-12-03'"),
        };
        let (over, status) = (soon.replace("2031", "2021"), "CASE i % 5 WHEN 0 THEN 'pending' ELSE 'accepted' END");
        let fill = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS}) INSERT INTO bookings \
             (id, host_id, guest_id, listing_id, check_in, check_out, guests, status, created_at, updated_at) \
             SELECT {id}, 'h', 'g', 'l', CASE WHEN i % 1000 = 7 THEN {soon} ELSE {over} END, {soon}, 1, {status}, \
             0, 0 FROM n"
        );
        diesel::sql_query(fill).execute(connection).unwrap();
        if let AnyConnection::Postgres(connection) = connection {
            diesel::sql_query("ANALYZE").execute(connection).unwrap();
        }
        let days = "2031-12-02".parse().unwrap()..="2031-12-03".parse().unwrap();
        assert!(bookings::is_any_to_remind(connection, &days).unwrap());
        let plans = plans_of(connection, |connection| {
            bookings::is_any_to_remind(connection, &days)?;
            assert_eq!(bookings::claim_to_remind(connection, &days, 4, NOW)?.len(), 4);
            Ok(())
        });
        let plans = plans.unwrap();
        assert_eq!(plans.len(), 3, "a look, a claim and a mark: {plans:#?}");
        for (statement, plan) in plans {
            for wrong in ["Seq Scan", "SCAN ", "Sort", "TEMP B-TREE"] {
                assert!(plan.iter().all(|line| !line.contains(wrong)), "{statement} {plan:#?}");
            }
        }
        let rest = bookings::claim_to_remind(connection, &days, 100, NOW).unwrap();
        assert_eq!(rest.len(), 6, "each once");
        assert!(!bookings::is_any_to_remind(connection, &days).unwrap());
    }
}

type Run = Box<dyn FnOnce(&mut AnyConnection) -> Result<(), StorageError>>;

/// Every way that administrators look, first pages and pages behind a cursor.
fn lists() -> Vec<(&'static str, Run)> {
    let log = |filter: logs::Filter| -> Run {
        Box::new(move |connection| {
            let first = logs::page(connection, &filter, None, 20)?;
            logs::page(connection, &filter, first.next, 20).map(drop)
        })
    };
    let audit = |filter: list::Filter| -> Run {
        Box::new(move |connection| {
            let first = list::page(connection, &filter, None, 21)?;
            list::page(connection, &filter, first.next, 20).map(drop)
        })
    };
    let (own, from, to) = (Some(user("own")), Some(Timestamp::from_micros(1)), Some(NOW));
    let notification = NotificationId::parse("id", "01980000-0000-7000-8000-000000000007").ok();
    let seen = || list::Filter { step: Some(Step::Confirmed), ..list::Filter::default() };
    let done = || list::Filter { action: Some(AdminAction::ReadLogs), ..list::Filter::default() };
    vec![
        ("logs", log(logs::Filter::default())),
        ("logs of a user", log(logs::Filter { user: own.clone(), ..logs::Filter::default() })),
        ("logs of a time", log(logs::Filter { from, to, ..logs::Filter::default() })),
        ("logs of a state", log(logs::Filter { state: Some("confirmed"), ..logs::Filter::default() })),
        ("audit", audit(list::Filter::default())),
        ("audit of receipts", audit(seen())),
        ("audit of a user", audit(list::Filter { user: own.clone(), ..list::Filter::default() })),
        ("audit of a notification", audit(list::Filter { notification, ..seen() })),
        ("audit of a time", audit(list::Filter { from, to, ..list::Filter::default() })),
        ("audit of deeds", audit(done())),
        ("audit of an administrator", audit(list::Filter { actor: own, ..done() })),
        ("audit of a target", audit(list::Filter { target: Some("own".to_owned()), ..done() })),
        (
            "figures",
            Box::new(|connection| figures::portion(connection, Timestamp::default(), "g", 500).map(drop)),
        ),
        ("retention", Box::new(|connection| retention::trim_receipts(connection, "", NOW, 1).map(drop))),
    ]
}
