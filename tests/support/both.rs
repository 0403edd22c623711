//! One test body over both databases.

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

pub(crate) use build_on_both_databases;
pub(crate) use on_both_databases;
