//! `/admin/presence`: who is online on this instance, in figures and by name, a page at a time.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::query;
use crate::actors::hub::{CallRoll, Connection, Online, Presence, Roll};
use crate::actors::session::Services;
use crate::api::openapi::{administration, params};
use crate::domain::{AdminAction, Role, Timestamp, UserId};
use crate::http::openapi::{codes, refusals};
use crate::http::{Administrator, Problem};
use crate::requests::role_named;

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PresenceQuery {
    limit: Option<i64>,
    cursor: Option<String>,
    role: Option<String>,
    user_id: Option<String>,
}

impl PresenceQuery {
    fn roll(&self) -> Result<CallRoll, Problem> {
        let user = |field, id: &Option<String>| id.as_deref().map(|id| UserId::parse(field, id)).transpose();
        let role = self.role.as_deref().map(role_named).transpose();
        Ok(CallRoll {
            after: user("cursor", &self.cursor).map_err(query::unfit)?,
            role: role.map_err(|_| query::invalid("role", "must be a role's name without white space"))?,
            user: user("userId", &self.user_id).map_err(query::unfit)?,
            limit: query::limit(self.limit)?,
        })
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    /// Which instance answers.
    instance: &'a str,
    instances: [InstanceView<'a>; 1],
    total_online: usize,
    connections: usize,
    sessions: usize,
    by_role: &'a BTreeMap<Role, usize>,
    by_door: BTreeMap<&'static str, usize>,
    users: Vec<UserView<'a>>,
    next_cursor: Option<&'a UserId>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InstanceView<'a> {
    instance: &'a str,
    total_online: usize,
    connections: usize,
    sessions: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UserView<'a> {
    user_id: &'a UserId,
    roles: Vec<&'a Role>,
    connections: usize,
    sessions: Vec<SessionView<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionView<'a> {
    session_id: std::borrow::Cow<'a, str>,
    door: &'static str,
    since: Timestamp,
}

impl<'a> Answer<'a> {
    fn new(services: &'a Services, roll: &'a Roll) -> Self {
        let Presence { users, by_role, connections, by_door, sessions, .. } = &roll.presence;
        let (instance, total_online, connections, sessions) =
            (services.instance(), *users, *connections, *sessions);
        Self {
            instance,
            instances: [InstanceView { instance, total_online, connections, sessions }],
            total_online,
            connections,
            sessions,
            by_role,
            by_door: by_door.iter().map(|(door, count)| (door.as_str(), *count)).collect(),
            users: roll.users.iter().map(|online| UserView::new(services, online)).collect(),
            next_cursor: roll.users.last().filter(|_| roll.more).map(|last| &last.user),
        }
    }
}

impl<'a> UserView<'a> {
    fn new(services: &Services, online: &'a Online) -> Self {
        let mut connections: Vec<&Connection> = online.connections.iter().collect();
        connections.sort_by_key(|connection| (connection.arrival.since, connection.session));
        let mut roles: Vec<&Role> = connections.iter().flat_map(|one| &*one.member.roles).collect();
        roles.sort();
        roles.dedup();
        let sessions = connections.iter().map(|connection| SessionView {
            // As `connected` told the client itself.
            session_id: match connection.member.session.as_deref().or(connection.arrival.name.as_deref()) {
                Some(name) => name.into(),
                None => services.session_name(connection.session).into_string().into(),
            },
            door: connection.arrival.door.as_str(),
            since: connection.arrival.since,
        });
        Self { user_id: &online.user, roles, connections: connections.len(), sessions: sessions.collect() }
    }
}

refusals!(PresenceRefusals: codes::TOKEN, codes::FORBIDDEN, codes::QUERY, codes::STORED);

/// `GET /admin/presence`: an administrator's.
#[utoipa::path(
    get, path = "/admin/presence", operation_id = "readPresence", tag = "administration",
    summary = "Look who is online",
    description = "For administrators: the figures of all, and a page of those who are online, in the order of their \
        ids, with every connection.",
    params(params::PresenceList),
    responses((status = 200, description = "Who is online", body = administration::Presence), PresenceRefusals),
)]
pub(in crate::api) async fn read(
    administrator: Administrator,
    request: HttpRequest,
    services: web::Data<Services>,
) -> Result<HttpResponse, Problem> {
    let asked: PresenceQuery = query::parse(&request)?;
    let roll = asked.roll()?;
    let detail = query::detail(&asked);
    administrator.record(AdminAction::ReadPresence, asked.user_id.as_deref(), detail.as_ref()).await?;
    let unknown = || Problem::unavailable("overloaded", "who is online is not known: try again");
    let roll = services.hub.send(roll).await.map_err(|_| unknown())?;
    Ok(HttpResponse::Ok().json(Answer::new(&services, &roll)))
}
