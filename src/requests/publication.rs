//! The body of `POST /notifications` and of what says the same by other ways: what is said, and to whom.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::refused::Refused;
use super::shapes::boolean;
use super::values;
use crate::domain::notification::{ACTOR_TEXT_MAX, MESSAGE_MAX, TITLE_MAX, check_type};
use crate::domain::{
    Category, Content, Draft, IdGenerator, Invalid, NotificationId, Priority, RequestId, Role, Room, UserId,
};

/// What a service sends. Whom it is for is said by exactly one of `userId`, `userIds`, `role` and `room`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublishRequest {
    #[serde(rename = "type")]
    #[schema(schema_with = values::chosen_kind)]
    kind: String,
    #[schema(schema_with = values::optional_category)]
    category: Option<String>,
    #[serde(default)]
    #[schema(schema_with = values::priority)]
    priority: Priority,
    #[schema(schema_with = values::optional_title)]
    title: Option<String>,
    #[serde(default)]
    #[schema(schema_with = values::message)]
    message: String,
    #[schema(schema_with = values::optional_actor_text)]
    actor_id: Option<String>,
    #[schema(schema_with = values::optional_actor_text)]
    actor_name: Option<String>,
    #[schema(schema_with = values::optional_actor_text)]
    actor_avatar: Option<String>,
    #[schema(schema_with = values::anything)]
    data: Option<Box<RawValue>>,
    #[schema(schema_with = values::optional_user_id)]
    user_id: Option<String>,
    #[schema(schema_with = values::optional_user_ids)]
    user_ids: Option<Vec<String>>,
    #[schema(schema_with = values::optional_role)]
    role: Option<String>,
    #[schema(schema_with = values::optional_room)]
    room: Option<String>,
    /// Not served: who says it must not be taken for somebody who said nothing.
    #[schema(ignore)]
    near: Option<IgnoredAny>,
    /// Pushed to whoever is there now, kept for nobody.
    #[serde(default)]
    #[schema(schema_with = boolean)]
    pub passing: bool,
}

/// Whom a notification is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Users(Vec<UserId>),
    Role(Role),
    Room(Room),
}

impl Target {
    /// The rooms that hear of what is passing.
    pub fn rooms(self) -> Vec<Room> {
        match self {
            Self::Users(users) => users.into_iter().map(Room::User).collect(),
            Self::Role(role) => vec![Room::Role(role)],
            Self::Room(room) => vec![room],
        }
    }

    /// Why nothing is kept for a room.
    pub fn no_inbox() -> Refused {
        let detail = "a room that is nobody's inbox takes passing notifications only: set passing";
        Refused::unprocessable("invalid_target", detail).of_field("room")
    }

    /// Whom the audit names, and how many users where they are named.
    pub fn as_noted(&self) -> (Option<String>, Option<usize>) {
        match self {
            Self::Users(users) => match users.as_slice() {
                [one] => (Some(one.to_string()), Some(1)),
                several => (None, Some(several.len())),
            },
            Self::Role(role) => (Some(role.to_string()), None),
            Self::Room(room) => (Some(room.to_string()), None),
        }
    }
}

impl PublishRequest {
    pub fn target(&self, most: usize) -> Result<Target, Refused> {
        if self.near.is_some() {
            return Err(one_target());
        }
        match (&self.user_id, &self.user_ids, &self.role, &self.room) {
            (Some(user), None, None, None) => Ok(Target::Users(vec![UserId::parse("userId", user)?])),
            (None, Some(users), None, None) => {
                if users.is_empty() || users.len() > most {
                    return Err(Invalid::new("userIds", format!("must name 1 to {most} users")).into());
                }
                let mut users: Vec<UserId> =
                    users.iter().map(|id| UserId::parse("userIds", id)).collect::<Result<_, _>>()?;
                users.sort();
                users.dedup();
                Ok(Target::Users(users))
            }
            (None, None, Some(role), None) => role_named(role).map(Target::Role),
            (None, None, None, Some(room)) => Ok(match Room::parse(room)? {
                Room::User(user) => Target::Users(vec![user]),
                Room::Role(role) => Target::Role(role),
                other => Target::Room(other),
            }),
            _ => Err(one_target()),
        }
    }

    /// Whom a broadcast is for: exactly one of a role and everybody, which is none.
    pub fn audience(&self, all: bool) -> Result<Option<Role>, Refused> {
        let names_others =
            self.user_id.is_some() || self.user_ids.is_some() || self.room.is_some() || self.near.is_some();
        match &self.role {
            Some(role) if !all && !names_others => role_named(role).map(Some),
            None if all && !names_others => Ok(None),
            _ => Err(Refused::unprocessable("invalid_target", "exactly one of role and all is needed")),
        }
    }

    /// What it says, to be multiplied; `request` is what it came with.
    pub fn draft(self, ids: &dyn IdGenerator, request: Option<RequestId>) -> Result<Draft, Refused> {
        let category = match &self.category {
            Some(category) => Category::parse(category)?,
            None => Category::of_type(&self.kind),
        };
        let content = Content {
            priority: self.priority,
            title: self.title.unwrap_or_else(|| self.kind.clone()),
            message: self.message,
            actor_id: self.actor_id,
            actor_name: self.actor_name,
            actor_avatar: self.actor_avatar,
            data: self.data,
        };
        // Whom it is for is set where it is multiplied.
        let nobody = UserId::from_stored(String::new());
        draft_of(ids, nobody, &self.kind, category, content, request)
    }
}

/// A role's name follows the same rules here as in the name of its room.
pub fn role_named(name: &str) -> Result<Role, Refused> {
    match Room::parse(&format!("role:{name}")) {
        Ok(Room::Role(role)) => Ok(role),
        _ => Err(Invalid::new("role", "must be a role's name without white space").into()),
    }
}

fn one_target() -> Refused {
    Refused::unprocessable("invalid_target", "exactly one of userId, userIds, role or room is needed")
}

/// A checked draft.
pub fn draft_of(
    ids: &dyn IdGenerator,
    user: UserId,
    kind: &str,
    category: Category,
    content: Content,
    request: Option<RequestId>,
) -> Result<Draft, Refused> {
    check_type(kind)?;
    at_most("title", Some(&content.title), TITLE_MAX)?;
    at_most("message", Some(&content.message), MESSAGE_MAX)?;
    at_most("actorId", content.actor_id.as_deref(), ACTOR_TEXT_MAX)?;
    at_most("actorName", content.actor_name.as_deref(), ACTOR_TEXT_MAX)?;
    at_most("actorAvatar", content.actor_avatar.as_deref(), ACTOR_TEXT_MAX)?;
    readable("data", content.data.as_deref())?;
    let id = NotificationId::from_uuid(ids.next());
    Ok(Draft { id, user, kind: kind.to_owned(), category, booking: None, request, content })
}

/// PostgreSQL's text cannot hold a NUL, so no text of ours does.
fn at_most(field: &'static str, text: Option<&str>, most: usize) -> Result<(), Invalid> {
    let text = text.unwrap_or_default();
    if text.chars().count() > most {
        return Err(Invalid::new(field, format!("must have at most {most} characters")));
    }
    if text.contains('\0') {
        return Err(Invalid::new(field, "must not contain a NUL character"));
    }
    Ok(())
}

/// JSON that is passed on unread may be well formed and yet be more than a client's reader takes: nested
/// without end, a number beyond any float, half of a surrogate pair. One such value would cost its
/// recipient the whole list.
fn readable(field: &'static str, json: Option<&RawValue>) -> Result<(), Invalid> {
    match json.map(|json| serde_json::from_str::<serde_json::Value>(json.get())) {
        None | Some(Ok(_)) => Ok(()),
        Some(Err(_)) => {
            Err(Invalid::new(field, "must not be nested too deep, nor hold odd numbers or broken text"))
        }
    }
}

/// A draft for each of several users.
pub fn drafts_for(users: Vec<UserId>, draft: &Draft, ids: &dyn IdGenerator) -> Vec<Draft> {
    let each = |user| Draft { id: NotificationId::from_uuid(ids.next()), user, ..draft.clone() };
    users.into_iter().map(each).collect()
}
