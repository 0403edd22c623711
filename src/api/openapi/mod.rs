//! The API's part of the document. What a route takes and answers is said at its handler; here is what they
//! share, and the list of all of them. `app` puts this together with the doors' part.

pub(super) mod administration;
mod inbox;
pub(super) mod params;
pub(super) mod shapes;
pub(super) mod values;

use utoipa::OpenApi;

use super::{
    admin, bookings, development, documentation, mails, operations, preferences, publish, receipts, tickets,
    unsubscribe,
};

/// Every route that there always is.
#[derive(Debug, OpenApi)]
#[openapi(
    paths(
        bookings::create,
        bookings::read,
        bookings::accept,
        bookings::complete,
        bookings::cancel,
        inbox::list,
        inbox::list_again,
        inbox::count,
        inbox::mark_read,
        inbox::read,
        inbox::delete,
        inbox::delete_one,
        publish::publish,
        receipts::ack,
        tickets::issue,
        preferences::read,
        preferences::save,
        preferences::issue_link,
        preferences::open_link,
        unsubscribe::ask,
        unsubscribe::stop,
        admin::trail::read,
        admin::presence::read,
        admin::audit::read,
        admin::logs::read,
        admin::stats::read,
        admin::broadcast::send,
        admin::broadcast::read,
        admin::disconnect::disconnect,
        admin::revoke::revoke,
        operations::health,
        operations::ready,
        operations::metrics,
        documentation::document,
        documentation::page,
        documentation::asset,
    ),
    components(schemas(shapes::Notification)),
    tags(
        (name = "bookings", description = "What guests ask for and hosts decide; every step notifies the other party."),
        (name = "notifications", description = "Everybody's own inbox, and publishing into those of others."),
        (name = "preferences", description = "What a person wants to get, where, and in which language."),
        (name = "administration", description = "For administrators."),
        (name = "operations", description = "For operators and balancers; and this document."),
    ),
)]
pub struct Always;

/// The routes of development mode.
#[derive(Debug, OpenApi)]
#[openapi(
    paths(development::token, development::notify, mails::list, mails::read),
    tags((name = "development", description = "What makes trying bellhop out quick, in development mode only.")),
)]
pub struct Development;
