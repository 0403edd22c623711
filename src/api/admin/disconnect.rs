//! `/admin/users/{id}/disconnect`: ends a user's connections, wherever they are. Their tokens stay good.

use actix::Addr;
use actix_web::{HttpResponse, web};
use serde::Serialize;

use crate::actors::persistence::{KeepOrder, WriteError};
use crate::actors::session::Services;
use crate::actors::warden::{CarryOut, Warden};
use crate::api::openapi::{params, shapes};
use crate::domain::{AdminAction, AuditEntry, Demand, Order, Timestamp, UserId};
use crate::http::openapi::{codes, refusals};
use crate::http::{Administrator, Problem};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    user_id: &'a UserId,
    at: Timestamp,
}

refusals!(DisconnectRefusals: codes::TOKEN, codes::ORIGIN, codes::FORBIDDEN, codes::FIELD, codes::STORED);

/// `POST /admin/users/{id}/disconnect`: an administrator's.
#[utoipa::path(
    post, path = "/admin/users/{id}/disconnect", operation_id = "disconnectUser", tag = "administration",
    summary = "End a user's connections",
    description = "For administrators: at once on this instance, within a second on every other unless configured \
        otherwise. Clients may come back with the token that they have: revoke it to keep them out.",
    params(params::User),
    responses((status = 200, description = "They end", body = shapes::Disconnected), DisconnectRefusals),
)]
pub(in crate::api) async fn disconnect(
    administrator: Administrator,
    id: web::Path<String>,
    services: web::Data<Services>,
    warden: web::Data<Addr<Warden>>,
) -> Result<HttpResponse, Problem> {
    let user = UserId::parse("id", &id)?;
    let order = Order { user, demand: Demand::Disconnect, at: services.tokens.now() };
    let entry = administrator.entry(AdminAction::Disconnect, Some(order.user.as_str()), None);
    give(&services, &warden, &order, entry).await?;
    Ok(HttpResponse::Ok().json(Answer { user_id: &order.user, at: order.at }))
}

/// Has an order kept with the note of who gave it, then carried out here; other instances find it.
pub(super) async fn give(
    services: &Services,
    warden: &Addr<Warden>,
    order: &Order,
    entry: AuditEntry,
) -> Result<(), Problem> {
    let message = KeepOrder { order: order.clone(), entry };
    let kept = services.persistence.send(message).await.unwrap_or(Err(WriteError::Overloaded))?;
    warden.send(CarryOut(kept)).await.map_err(|error| {
        log::error!("an order is kept and could not be carried out here yet: {error}");
        Problem::internal()
    })
}
