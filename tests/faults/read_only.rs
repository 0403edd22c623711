//! A PostgreSQL that takes no writes for a while, as one that is failing over.

use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection};

use crate::support::app::{Database, TestApp, booking};
use crate::support::deadline::wait_until_async;

/// Has the database take writes or not, on every connection.
fn set_read_only(url: &str, is_read_only: bool) {
    let (server, name) = url.rsplit_once('/').unwrap();
    // From another database: who is in it cannot change its mind while it is read-only.
    let mut connection = PgConnection::establish(&format!("{server}/postgres")).unwrap();
    let sql = format!(
        "ALTER DATABASE {name} SET default_transaction_read_only = {is_read_only};
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}';"
    );
    connection.batch_execute(&sql).unwrap();
}

#[tokio::test]
async fn a_database_that_takes_no_writes_for_a_while_is_no_fault_of_the_request() {
    let app = TestApp::start(Database::Postgres).await;
    let mut host = app.connect("host-7").await;
    set_read_only(app.database_url(), true);
    // The first finds connections that are gone, the second a database that refuses.
    for _ in 0..2 {
        app.post_booking("guest", &booking("host-7")).await.expect(503);
    }
    assert_eq!(app.get("/ready", "").await.expect(200)["parts"]["database"], "degraded");
    set_read_only(app.database_url(), false);
    wait_until_async("bookings are taken again", async || {
        (app.post_booking("guest", &booking("host-7")).await.status == 201).then_some(())
    })
    .await;
    host.next_event("booking.created").await;
    assert_eq!(app.get("/ready", "").await.expect(200)["parts"]["database"], "ok");
}
