//! One test body over both databases, and over every door.

/// Makes two tests of each body, `NAME::sqlite` and `NAME::postgres`, with a server of its own each:
///
/// ```ignore
/// on_both_databases! {
///     async fn a_booking_reaches_its_host(app) { … }
///     async fn a_slow_reader_is_cut_off(app, [("BELLHOP__SESSION__QUEUE_BYTES", "4096")]) { … }
///     async fn what_is_pending_survives_a_restart(mut app) { … }
/// }
/// ```
macro_rules! on_both_databases {
    ($($(#[$attribute:meta])* async fn $name:ident($app:pat_param $(, $environment:expr)?) $body:block)*) => {
        $(
            async fn $name($app: $crate::support::app::TestApp) $body

            mod $name {
                use $crate::support::app::{Database, TestAppBuilder};

                $(#[$attribute])*
                #[tokio::test]
                async fn sqlite() {
                    run(TestAppBuilder::new(Database::Sqlite)).await;
                }

                $(#[$attribute])*
                #[tokio::test]
                async fn postgres() {
                    run(TestAppBuilder::new(Database::Postgres)).await;
                }

                async fn run(builder: TestAppBuilder) {
                    $(let builder = builder.with_all(&$environment);)?
                    super::$name(builder.start().await).await;
                }
            }
        )*
    };
}

/// The same for bodies that start the server themselves, from a [`TestAppBuilder`]:
///
/// [`TestAppBuilder`]: super::app::TestAppBuilder
macro_rules! build_on_both_databases {
    ($($(#[$attribute:meta])* async fn $name:ident($builder:pat_param) $body:block)*) => {
        $(
            async fn $name($builder: $crate::support::app::TestAppBuilder) $body

            mod $name {
                use $crate::support::app::{Database, TestAppBuilder};

                $(#[$attribute])*
                #[tokio::test]
                async fn sqlite() {
                    super::$name(TestAppBuilder::new(Database::Sqlite)).await;
                }

                $(#[$attribute])*
                #[tokio::test]
                async fn postgres() {
                    super::$name(TestAppBuilder::new(Database::Postgres)).await;
                }
            }
        )*
    };
}

/// Makes a test of each body for every door, `NAME::raw`, `NAME::websocket`, `NAME::polling` and
/// `NAME::upgrade`, over SQLite and with a server of its own each, whose devices come over that door:
///
/// ```ignore
/// on_every_door! {
///     async fn a_booking_reaches_its_host(app) { … }
///     async fn who_speaks_too_fast_is_told(app, [("RATE_LIMIT_MAX_REQUESTS", "3")]) { … }
/// }
/// ```
macro_rules! on_every_door {
    ($($(#[$attribute:meta])* async fn $name:ident($app:pat_param $(, $environment:expr)?) $body:block)*) => {
        $(
            async fn $name($app: $crate::support::app::TestApp) $body

            mod $name {
                use $crate::support::app::{Database, TestAppBuilder};
                use $crate::support::door::Door;

                $(#[$attribute])*
                #[tokio::test]
                async fn raw() {
                    run(Door::Raw).await;
                }

                $(#[$attribute])*
                #[tokio::test]
                async fn websocket() {
                    run(Door::WebSocket).await;
                }

                $(#[$attribute])*
                #[tokio::test]
                async fn polling() {
                    run(Door::Polling).await;
                }

                $(#[$attribute])*
                #[tokio::test]
                async fn upgrade() {
                    run(Door::Upgrade).await;
                }

                async fn run(door: Door) {
                    let builder = TestAppBuilder::new(Database::Sqlite).through(door);
                    $(let builder = builder.with_all(&$environment);)?
                    super::$name(builder.start().await).await;
                }
            }
        )*
    };
}

/// The same, and over the raw door on PostgreSQL as well: `NAME::postgres`.
macro_rules! on_both_databases_and_every_door {
    ($($(#[$attribute:meta])* async fn $name:ident($app:pat_param $(, $environment:expr)?) $body:block)*) => {
        $(
            async fn $name($app: $crate::support::app::TestApp) $body

            mod $name {
                use $crate::support::app::{Database, TestAppBuilder};
                use $crate::support::door::Door;

                $(#[$attribute])*
                #[tokio::test]
                async fn sqlite() {
                    run(Database::Sqlite, Door::Raw).await;
                }

                $(#[$attribute])*
                #[tokio::test]
                async fn postgres() {
                    run(Database::Postgres, Door::Raw).await;
                }

                $(#[$attribute])*
                #[tokio::test]
                async fn websocket() {
                    run(Database::Sqlite, Door::WebSocket).await;
                }

                $(#[$attribute])*
                #[tokio::test]
                async fn polling() {
                    run(Database::Sqlite, Door::Polling).await;
                }

                $(#[$attribute])*
                #[tokio::test]
                async fn upgrade() {
                    run(Database::Sqlite, Door::Upgrade).await;
                }

                async fn run(database: Database, door: Door) {
                    let builder = TestAppBuilder::new(database).through(door);
                    $(let builder = builder.with_all(&$environment);)?
                    super::$name(builder.start().await).await;
                }
            }
        )*
    };
}

pub(crate) use build_on_both_databases;
pub(crate) use on_both_databases;
pub(crate) use on_both_databases_and_every_door;
pub(crate) use on_every_door;

/// The same for tests that need tables and no server. `fn name(store)` gets a
/// [`TestStore`](super::store::TestStore) with empty tables.
macro_rules! on_both_stores {
    ($($(#[$attribute:meta])* fn $name:ident($store:pat_param) $body:block)*) => {
        $(
            fn $name($store: $crate::support::store::TestStore) $body

            mod $name {
                use $crate::support::app::Database;
                use $crate::support::store::TestStore;

                $(#[$attribute])*
                #[test]
                fn sqlite() {
                    super::$name(TestStore::new(Database::Sqlite));
                }

                $(#[$attribute])*
                #[test]
                fn postgres() {
                    super::$name(TestStore::new(Database::Postgres));
                }
            }
        )*
    };
}

pub(crate) use on_both_stores;
