//! `/admin/presence`: who is online at all instances, in figures and by name, a page at a time.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};

use super::query;
use crate::actors::hub::CallRoll;
use crate::actors::presence::{self, Everywhere, Page};
use crate::actors::session::Services;
use crate::api::openapi::{administration, params};
use crate::bus::{Figures, Instance, Person, Seat};
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
    instances: Vec<InstanceView<'a>>,
    /// Whether all instances are in it.
    complete: bool,
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
    roles: &'a [Role],
    connections: usize,
    sessions: Vec<SessionView<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionView<'a> {
    session_id: &'a str,
    door: &'static str,
    since: Timestamp,
}

impl<'a> Answer<'a> {
    fn new(services: &'a Services, page: &'a Page) -> Self {
        let Everywhere { figures, instances, is_complete, .. } = &page.everywhere;
        Self {
            instance: services.instance(),
            instances: instances.iter().map(InstanceView::from).collect(),
            complete: *is_complete,
            total_online: figures.users,
            connections: figures.connections,
            sessions: figures.sessions,
            by_role: &figures.by_role,
            by_door: figures.by_door.iter().map(|(door, count)| (door.as_str(), *count)).collect(),
            users: page.people.iter().map(UserView::from).collect(),
            next_cursor: page.people.last().filter(|_| page.more).map(|(user, _)| user),
        }
    }
}

impl<'a> From<&'a Instance> for InstanceView<'a> {
    fn from(Instance { name, figures }: &'a Instance) -> Self {
        let Figures { users, connections, sessions, .. } = figures;
        Self { instance: name, total_online: *users, connections: *connections, sessions: *sessions }
    }
}

impl<'a> From<&'a (UserId, Person)> for UserView<'a> {
    fn from((user_id, Person { roles, connections }): &'a (UserId, Person)) -> Self {
        let seat = |seat: &'a Seat| SessionView {
            session_id: &seat.session,
            door: seat.door.as_str(),
            since: seat.since,
        };
        Self {
            user_id,
            roles,
            connections: connections.len(),
            sessions: connections.iter().map(seat).collect(),
        }
    }
}

refusals!(PresenceRefusals: codes::TOKEN, codes::FORBIDDEN, codes::QUERY, codes::STORED);

/// `GET /admin/presence`: an administrator's.
#[utoipa::path(
    get, path = "/admin/presence", operation_id = "readPresence", tag = "administration",
    summary = "Look who is online",
    description = "For administrators: the figures of all instances together, where who is connected to two of them \
        counts twice, and a page of those who are online, in the order of their ids, with every connection. Who has \
        gone only just now is online for a while without any. While the other instances cannot be reached, the \
        answer is this one's, and not complete.",
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
    let page = presence::page(&services, roll).await.map_err(|_| unknown())?;
    Ok(HttpResponse::Ok().json(Answer::new(&services, &page)))
}
