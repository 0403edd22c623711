//! Which path leads to which door. The raw door and Socket.IO share one: whoever says which Engine.IO it speaks, as
//! its clients do in every request, goes to the latter.

use actix_web::guard::{GuardContext, fn_guard};
use actix_web::http::Method;
use actix_web::middleware::Compress;
use actix_web::web::{self, ServiceConfig};

use super::socketio::Bellhop;
use super::{engineio, raw, sse};
use crate::http::route::resource;

/// Where Socket.IO clients come by default, and where they come with `path: "/ws/notifications"`; some without the
/// slash at the end.
const SOCKET_IO: [&str; 2] = ["/socket.io", "/socket.io/"];
const SHARED: [&str; 2] = ["/ws/notifications", "/ws/notifications/"];

/// Adds the doors to an application.
pub fn configure(config: &mut ServiceConfig) {
    for path in SOCKET_IO {
        config.service(web::resource(path).to(engineio::serve::<Bellhop>));
    }
    for path in SHARED {
        let guarded = web::resource(path).guard(fn_guard(speaks_engine_io));
        config.service(guarded.to(engineio::serve::<Bellhop>));
    }
    config.service(resource("/ws/notifications", [(Method::GET, web::to(raw::open))]));
    // Errors are worth compressing, and streams say that they are not to be.
    config
        .service(
            resource("/notifications/sse", [(Method::GET, web::to(sse::open))]).wrap(Compress::default()),
        )
        .service(
            resource("/notifications/sse/test", [(Method::GET, web::to(sse::open_trial))])
                .wrap(Compress::default()),
        );
}

fn speaks_engine_io(context: &GuardContext<'_>) -> bool {
    let query = context.head().uri.query().unwrap_or_default();
    query.split('&').any(|pair| pair.starts_with("EIO="))
}
