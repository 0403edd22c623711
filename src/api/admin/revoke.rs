//! `/admin/users/{id}/revoke`: takes one token of a user back, or all of them that were issued before a time. What
//! goes by them ends: connections, tickets, and sessions that could be had back.

use std::time::Duration;

use actix::Addr;
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use super::disconnect::give;
use crate::actors::session::Services;
use crate::actors::warden::Warden;
use crate::api::openapi::{params, shapes};
use crate::domain::{AdminAction, Demand, Invalid, Order, Timestamp, UserId};
use crate::http::openapi::{codes, refusals};
use crate::http::{Administrator, JsonBody, Problem};

/// What tokens count their issue in (RFC 7519 §4.1.6), as most issuers write it.
const SECOND: Duration = Duration::from_secs(1);

/// How many revocations an instance knows at most: some hundred bytes each. Who comes so far has no `max_token_age`,
/// and revokes single tokens by the million.
const REVOKED_MAX: usize = 1_000_000;

/// Neither takes the most back that there is to take: so what is misspelt, or null where a script's variable was
/// not set, is refused.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(in crate::api) struct RevokeRequest {
    #[serde(default, deserialize_with = "given")]
    jti: Option<String>,
    #[serde(default, deserialize_with = "given")]
    issued_before: Option<Timestamp>,
}

/// A value that is there is not null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    user_id: &'a UserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_before: Option<Timestamp>,
    at: Timestamp,
}

impl<'a> From<&'a Order> for Answer<'a> {
    fn from(order: &'a Order) -> Self {
        let (jti, issued_before) = match &order.demand {
            Demand::Disconnect => (None, None),
            Demand::RevokeToken(id) => (Some(&**id), None),
            Demand::RevokeIssuedBefore(time) => (None, Some(*time)),
        };
        Self { user_id: &order.user, jti, issued_before, at: order.at }
    }
}

refusals!(
    RevokeRefusals: codes::TOKEN, codes::ORIGIN, codes::FORBIDDEN, codes::BODY, codes::FIELD, codes::STORED,
    codes::REVOKED
);

/// `POST /admin/users/{id}/revoke`: an administrator's.
#[utoipa::path(
    post, path = "/admin/users/{id}/revoke", operation_id = "revokeTokens", tag = "administration",
    summary = "Revoke a user's tokens",
    description = "For administrators: one token by its `jti`, or all that were issued before a time, which is now \
        unless it is said. From then on nothing is believed that goes by them, and connections that do are ended: at \
        once on this instance, within a second on every other unless configured otherwise. A token that does not say \
        when it was issued counts as issued before. Where no time is said, the answer comes when the second is over \
        that the order was given in: a token that is issued after the answer is believed. The time may be ahead of \
        now by as much as the clocks of the issuer and of this server may differ.",
    params(params::User),
    request_body = shapes::Revocation,
    responses((status = 200, description = "They are revoked", body = shapes::Revoked), RevokeRefusals),
)]
pub(in crate::api) async fn revoke(
    administrator: Administrator,
    id: web::Path<String>,
    body: JsonBody<RevokeRequest>,
    services: web::Data<Services>,
    warden: web::Data<Addr<Warden>>,
) -> Result<HttpResponse, Problem> {
    let user = UserId::parse("id", &id)?;
    let at = services.tokens.now();
    let is_now = body.value.jti.is_none() && body.value.issued_before.is_none();
    let (action, demand) = demanded(body.value, at, services.tokens.leeway())?;
    if services.tokens.revoked() >= REVOKED_MAX {
        return Err(Problem::unavailable(
            "too_many_revocations",
            "as much is revoked as can be remembered: set auth.max_token_age",
        ));
    }
    let order = Order { user, demand, at };
    let detail = json!(Answer::from(&order));
    let entry = administrator.entry(action, Some(order.user.as_str()), Some(&detail));
    give(&services, &warden, &order, entry).await?;
    if is_now {
        await_next_second(at).await;
    }
    Ok(HttpResponse::Ok().json(Answer::from(&order)))
}

fn demanded(
    asked: RevokeRequest,
    now: Timestamp,
    leeway: Duration,
) -> Result<(AdminAction, Demand), Invalid> {
    match (asked.jti, asked.issued_before) {
        (Some(_), Some(_)) => Err(Invalid::new("jti", "must not come with issuedBefore")),
        (Some(id), None) => Ok((AdminAction::RevokeToken, Demand::revoke_token("jti", &id)?)),
        (None, Some(time)) if time > now.plus(leeway) => {
            Err(Invalid::new("issuedBefore", "must not be ahead of now by more than clocks may differ"))
        }
        (None, time) => Ok((AdminAction::RevokeUser, Demand::RevokeIssuedBefore(time.unwrap_or(now)))),
    }
}

/// Tokens say in whole seconds when they were issued: one of the rest of this second is revoked too, although it may
/// be the user's next. So nobody is told of the order, and to log in again, before that second is over.
async fn await_next_second(from: Timestamp) {
    let begun = Duration::from_micros(u64::try_from(from.as_micros()).unwrap_or(0));
    let into_second = Duration::from_nanos(u64::from(begun.subsec_nanos()));
    tokio::time::sleep(SECOND.saturating_sub(into_second)).await;
}
