//! Recipients: what tokens say of people, what people chose, and who holds which role.

#![expect(clippy::ref_option_ref, reason = "diesel derives it for optional borrowed columns")]

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::Integer;
use diesel::upsert::excluded;

use super::connection::{AnyConnection, on_db};
use super::error::StorageError;
use super::schema::{recipient_roles, recipients};
use crate::domain::{Preferences, Profile, Recipient, Role, Timestamp, UserId};

#[derive(Insertable)]
#[diesel(table_name = recipients, treat_none_as_default_value = false)]
struct NewRow<'a> {
    user_id: &'a str,
    email: Option<&'a str>,
    name: Option<&'a str>,
    locale: Option<&'a str>,
    time_zone: Option<&'a str>,
    preferences: &'a str,
    updated_at: i64,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = recipients)]
struct Row {
    user_id: String,
    email: Option<String>,
    name: Option<String>,
    locale: Option<String>,
    time_zone: Option<String>,
    preferences: String,
}

/// Preferences of somebody who has chosen nothing.
const NOTHING_CHOSEN: &str = "{}";

impl TryFrom<Row> for Recipient {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self, StorageError> {
        let preferences = serde_json::from_str(&row.preferences)
            .map_err(|error| StorageError::Corrupt(format!("preferences: {error}")))?;
        Ok(Self {
            user: UserId::from_stored(row.user_id),
            email: row.email,
            name: row.name,
            locale: row.locale,
            time_zone: row.time_zone,
            preferences,
        })
    }
}

/// Keeps what a token says. A claim that is absent leaves what is known; roles are the token's.
pub fn remember(
    connection: &mut AnyConnection,
    profile: &Profile,
    now: Timestamp,
) -> Result<(), StorageError> {
    let row = NewRow {
        user_id: profile.user.as_str(),
        email: profile.email.as_deref(),
        name: profile.name.as_deref(),
        locale: profile.locale.as_deref(),
        time_zone: profile.time_zone.as_deref(),
        preferences: NOTHING_CHOSEN,
        updated_at: now.as_micros(),
    };
    let changes = Claims {
        email: row.email,
        name: row.name,
        locale: row.locale,
        time_zone: row.time_zone,
        updated_at: row.updated_at,
    };
    on_db!(connection, |c| diesel::insert_into(recipients::table)
        .values(row)
        .on_conflict(recipients::user_id)
        .do_update()
        .set(changes)
        .execute(c))?;
    let others = recipient_roles::table
        .filter(recipient_roles::user_id.eq(profile.user.as_str()))
        .filter(recipient_roles::role.ne_all(profile.roles.iter().map(Role::as_str)));
    diesel::delete(others).execute(connection)?;
    let rows: Vec<_> = profile
        .roles
        .iter()
        .map(|role| {
            (recipient_roles::role.eq(role.as_str()), recipient_roles::user_id.eq(profile.user.as_str()))
        })
        .collect();
    on_db!(connection, |c| diesel::insert_into(recipient_roles::table)
        .values(rows)
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(())
}

/// The columns that a token may change; a `None` leaves its column as it is.
#[derive(AsChangeset)]
#[diesel(table_name = recipients)]
struct Claims<'a> {
    email: Option<&'a str>,
    name: Option<&'a str>,
    locale: Option<&'a str>,
    time_zone: Option<&'a str>,
    updated_at: i64,
}

/// Keeps what a person chose.
pub fn save_preferences(
    connection: &mut AnyConnection,
    user: &UserId,
    preferences: &Preferences,
    now: Timestamp,
) -> Result<(), StorageError> {
    let text = serde_json::to_string(preferences)
        .map_err(|error| StorageError::Corrupt(format!("preferences: {error}")))?;
    let row = NewRow {
        user_id: user.as_str(),
        email: None,
        name: None,
        locale: None,
        time_zone: None,
        preferences: &text,
        updated_at: now.as_micros(),
    };
    on_db!(connection, |c| diesel::insert_into(recipients::table)
        .values(row)
        .on_conflict(recipients::user_id)
        .do_update()
        .set((
            recipients::preferences.eq(excluded(recipients::preferences)),
            recipients::updated_at.eq(excluded(recipients::updated_at)),
        ))
        .execute(c))?;
    Ok(())
}

/// Reads one recipient.
pub fn find(connection: &mut AnyConnection, user: &UserId) -> Result<Option<Recipient>, StorageError> {
    let row: Option<Row> =
        recipients::table.find(user.as_str()).select(Row::as_select()).first(connection).optional()?;
    row.map(Recipient::try_from).transpose()
}

/// Reads one recipient and holds the row until the transaction ends, so that nobody else changes it meanwhile. SQLite
/// has one writer at a time anyway.
pub fn find_held(connection: &mut AnyConnection, user: &UserId) -> Result<Option<Recipient>, StorageError> {
    match connection {
        AnyConnection::Postgres(c) => {
            let held = recipients::table.find(user.as_str()).select(Row::as_select()).for_update();
            held.first(c).optional()?.map(Recipient::try_from).transpose()
        }
        AnyConnection::Sqlite(_) => find(connection, user),
    }
}

/// Reads several recipients, in no order; who is not known is left out.
pub fn find_all(connection: &mut AnyConnection, users: &[&str]) -> Result<Vec<Recipient>, StorageError> {
    let rows: Vec<Row> = recipients::table
        .filter(recipients::user_id.eq_any(users))
        .select(Row::as_select())
        .load(connection)?;
    rows.into_iter().map(Recipient::try_from).collect()
}

/// What is known of several users from their tokens, by user id; who is not known is left out.
pub fn profiles(
    connection: &mut AnyConnection,
    users: &[&str],
) -> Result<HashMap<String, Profile>, StorageError> {
    let mut profiles: HashMap<String, Profile> = find_all(connection, users)?
        .into_iter()
        .map(|known| {
            let Recipient { user, email, name, locale, time_zone, .. } = known;
            (user.to_string(), Profile { user, email, name, locale, time_zone, roles: Vec::new() })
        })
        .collect();
    let roles: Vec<(String, String)> = recipient_roles::table
        .filter(recipient_roles::user_id.eq_any(users))
        .select((recipient_roles::user_id, recipient_roles::role))
        .load(connection)?;
    for (user, role) in roles {
        if let Some(profile) = profiles.get_mut(&user) {
            profile.roles.push(Role::new(&role));
        }
    }
    Ok(profiles)
}

/// Who holds `role`, by user id, at most `limit` beyond `after`.
pub fn with_role(
    connection: &mut AnyConnection,
    role: &str,
    after: &str,
    limit: i64,
) -> Result<Vec<UserId>, StorageError> {
    let users: Vec<String> = recipient_roles::table
        .filter(recipient_roles::role.eq(role))
        .filter(recipient_roles::user_id.gt(after))
        .order(recipient_roles::user_id)
        .limit(limit)
        .select(recipient_roles::user_id)
        .load(connection)?;
    Ok(users.into_iter().map(UserId::from_stored).collect())
}

/// How many hold `role`, up to `limit`.
pub fn count_with_role(
    connection: &mut AnyConnection,
    role: &str,
    limit: i64,
) -> Result<usize, StorageError> {
    // Each as a number, for nothing of them is wanted.
    let holders = recipient_roles::table.filter(recipient_roles::role.eq(role)).limit(limit);
    Ok(holders.select(1.into_sql::<Integer>()).load::<i32>(connection)?.len())
}
