//! Every REST route, in one place.

use actix_web::http::Method;
use actix_web::middleware::Compress;
use actix_web::web::{self, ServiceConfig};

use super::{
    admin, bookings, development, documentation, inbox, mails, operations, preferences, publish, receipts,
    tickets, unsubscribe,
};
use crate::http::route::resource;

/// Adds the API to an application. The development routes exist in development mode only.
pub fn configure(config: &mut ServiceConfig, development: bool) {
    config
        .service(resource("/bookings", [(Method::POST, web::post().to(bookings::create))]))
        .service(resource("/bookings/{id}", [(Method::GET, web::to(bookings::read))]))
        .service(resource("/bookings/{id}/accept", [(Method::POST, web::post().to(bookings::accept))]))
        .service(resource("/bookings/{id}/complete", [(Method::POST, web::post().to(bookings::complete))]))
        .service(resource("/bookings/{id}/cancel", [(Method::POST, web::post().to(bookings::cancel))]))
        .service(
            resource(
                "/notifications",
                [(Method::GET, web::to(inbox::list)), (Method::POST, web::post().to(publish::publish))],
            )
            .wrap(Compress::default()),
        )
        .service(
            resource("/notifications/list", [(Method::GET, web::to(inbox::list))]).wrap(Compress::default()),
        )
        .service(resource("/notifications/count", [(Method::GET, web::to(inbox::count))]))
        .service(resource("/notifications/mark-read", [(Method::POST, web::post().to(inbox::mark_read))]))
        .service(resource("/notifications/delete", [(Method::POST, web::post().to(inbox::delete))]))
        .service(resource("/notifications/ack", [(Method::POST, web::post().to(receipts::ack))]))
        .service(resource("/notifications/tickets", [(Method::POST, web::post().to(tickets::issue))]))
        .service(resource(
            "/notifications/preferences",
            [(Method::GET, web::to(preferences::read)), (Method::PUT, web::put().to(preferences::save))],
        ))
        .service(resource(
            "/notifications/preferences/link",
            [
                (Method::GET, web::to(preferences::open_link)),
                (Method::POST, web::post().to(preferences::issue_link)),
            ],
        ))
        .service(resource(
            "/notifications/unsubscribe",
            [(Method::GET, web::to(unsubscribe::ask)), (Method::POST, web::post().to(unsubscribe::stop))],
        ))
        // After every other path below /notifications, whose names it would take for ids.
        .service(
            resource(
                "/notifications/{id}",
                [(Method::GET, web::to(inbox::read)), (Method::DELETE, web::delete().to(inbox::delete_one))],
            )
            .wrap(Compress::default()),
        )
        .service(resource("/admin/notifications/{id}/trail", [(Method::GET, web::to(admin::trail::read))]))
        .service(resource(
            "/admin/notifications/broadcast",
            [(Method::POST, web::post().to(admin::broadcast::send))],
        ))
        .service(resource(
            "/admin/notifications/broadcasts/{id}",
            [(Method::GET, web::to(admin::broadcast::read))],
        ))
        .service(
            resource("/admin/notifications/logs", [(Method::GET, web::to(admin::logs::read))])
                .wrap(Compress::default()),
        )
        .service(resource("/admin/notifications/stats", [(Method::GET, web::to(admin::stats::read))]))
        .service(resource("/admin/presence", [(Method::GET, web::to(admin::presence::read))]))
        .service(
            resource("/admin/audit", [(Method::GET, web::to(admin::audit::read))]).wrap(Compress::default()),
        )
        .service(resource(
            "/admin/users/{id}/disconnect",
            [(Method::POST, web::post().to(admin::disconnect::disconnect))],
        ))
        .service(resource(
            "/admin/users/{id}/revoke",
            [(Method::POST, web::post().to(admin::revoke::revoke))],
        ))
        .service(resource("/health", [(Method::GET, web::to(operations::health))]))
        .service(resource("/ready", [(Method::GET, web::to(operations::ready))]))
        .service(resource("/metrics", [(Method::GET, web::to(operations::metrics))]))
        .service(resource("/openapi.json", [(Method::GET, web::to(documentation::document))]))
        .service(resource("/docs", [(Method::GET, web::to(documentation::page))]))
        .service(resource("/docs/{file}", [(Method::GET, web::to(documentation::asset))]));
    if development {
        config
            .service(resource("/dev/token", [(Method::POST, web::post().to(development::token))]))
            .service(resource(
                "/dev/notifications/test",
                [(Method::POST, web::post().to(development::notify))],
            ))
            .service(resource("/dev/mails", [(Method::GET, web::to(mails::list))]))
            .service(resource("/dev/mails/{id}", [(Method::GET, web::to(mails::read))]));
    }
}
