//! Tickets: issued for one door, shown once. What is kept of one is its digest and whom it lets in, so that who
//! reads the table cannot enter. Whichever instance deletes the row has redeemed it; no other can.

mod bearer;

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};

use bearer::Bearer;

use super::arrays::{Column, Statement};
use super::connection::{AnyConnection, on_db};
use super::error::StorageError;
use super::schema::tickets::dsl;
use crate::domain::{Door, Identity, Timestamp};

/// Nobody guesses 256 random bits, so a digest without salt or stretching hides them.
const TICKET_BYTES: usize = 32;
/// In base64, without padding.
const TEXT_BYTES: usize = (TICKET_BYTES * 8).div_ceil(6);

/// What lets its bearer in; never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket([u8; TICKET_BYTES]);

impl Ticket {
    /// One that nobody has seen before.
    pub fn fresh() -> Result<Self, StorageError> {
        let mut bytes = [0; TICKET_BYTES];
        SysRng.try_fill_bytes(&mut bytes).map_err(|error| StorageError::NoRandomness(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// What a client shows; none where that cannot be a ticket.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != TEXT_BYTES {
            return None;
        }
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }

    /// What its bearer is given, once: characters that a URL takes as they are.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    fn digest(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.0))
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ticket(••••••)")
    }
}

/// A ticket to be.
#[derive(Debug)]
pub struct Grant<'a> {
    pub ticket: &'a Ticket,
    pub door: Door,
    pub bearer: &'a Identity,
    pub expires_at: Timestamp,
    /// How many that have not expired its bearer may hold, this one included.
    pub at_most: usize,
}

#[derive(Insertable)]
#[diesel(table_name = super::schema::tickets, treat_none_as_default_value = false)]
struct NewRow<'a> {
    digest: String,
    user_id: &'a str,
    door: &'static str,
    bearer: String,
    expires_at: i64,
}

/// Issues what its bearers may still hold; answers for each whether it was. Instances that issue to one person at
/// the very same moment may pass the bound, each by what it issues then.
pub fn issue(
    connection: &mut AnyConnection,
    grants: &[Grant<'_>],
    now: Timestamp,
) -> Result<Vec<bool>, StorageError> {
    let users: BTreeSet<&str> = grants.iter().map(|grant| grant.bearer.user.as_str()).collect();
    let mut held = held(connection, users, now)?;
    let mut rows = Vec::with_capacity(grants.len());
    let mut issued = Vec::with_capacity(grants.len());
    for grant in grants {
        let user_id = grant.bearer.user.as_str();
        let held = held.entry(user_id.to_owned()).or_default();
        let may = usize::try_from(*held).is_ok_and(|held| held < grant.at_most);
        if may {
            *held += 1;
            rows.push(NewRow {
                digest: grant.ticket.digest(),
                user_id,
                door: grant.door.as_str(),
                bearer: Bearer::to_text(grant.bearer)?,
                expires_at: grant.expires_at.as_micros(),
            });
        }
        issued.push(may);
    }
    if !rows.is_empty() {
        on_db!(connection, |c| diesel::insert_into(dsl::tickets).values(rows).execute(c))?;
    }
    Ok(issued)
}

/// How many tickets that have not expired each of these users holds; who holds none is left out.
fn held(
    connection: &mut AnyConnection,
    users: BTreeSet<&str>,
    now: Timestamp,
) -> Result<HashMap<String, i64>, StorageError> {
    let rows: Vec<(String, i64)> = dsl::tickets
        .filter(dsl::user_id.eq_any(users).and(dsl::expires_at.gt(now.as_micros())))
        .group_by(dsl::user_id)
        .select((dsl::user_id, diesel::dsl::count_star()))
        .load(connection)?;
    Ok(rows.into_iter().collect())
}

/// In one order, so that instances that are shown the same tickets do not wait for each other in a circle.
const REDEEM: &str = "
DELETE FROM tickets WHERE digest = ANY (ARRAY (
    SELECT digest FROM tickets WHERE digest = ANY ($) ORDER BY digest FOR UPDATE
))
RETURNING digest, door, bearer, expires_at";

/// Whom each of these tickets, shown at these doors, lets in. Whatever was shown is used up, also where it was
/// too late or at the wrong door. Of several that show the same one the first is let in.
pub fn redeem(
    connection: &mut AnyConnection,
    shown: &[(Ticket, Door)],
    now: Timestamp,
) -> Result<Vec<Result<Option<Identity>, StorageError>>, StorageError> {
    let digests: Vec<String> = shown.iter().map(|(ticket, _)| ticket.digest()).collect();
    let rows: Vec<(String, String, String, i64)> = match connection {
        AnyConnection::Postgres(c) => {
            let column = Column::Text(digests.iter().map(String::as_str).collect());
            Statement::<'_, (Text, Text, Text, BigInt)>::new(REDEEM, vec![column]).load(c)?
        }
        AnyConnection::Sqlite(c) => diesel::delete(dsl::tickets.filter(dsl::digest.eq_any(&digests)))
            .returning((dsl::digest, dsl::door, dsl::bearer, dsl::expires_at))
            .get_results(c)?,
    };
    let mut found: HashMap<String, (String, String, i64)> = rows
        .into_iter()
        .map(|(digest, door, bearer, expires_at)| (digest, (door, bearer, expires_at)))
        .collect();
    let mut bearer = |digest: &String, at: Door| match found.remove(digest) {
        Some((door, bearer, expires_at)) if door == at.as_str() && expires_at > now.as_micros() => {
            Bearer::parse(&bearer).map(Some)
        }
        _ => Ok(None),
    };
    Ok(digests.iter().zip(shown).map(|(digest, (_, door))| bearer(digest, *door)).collect())
}

/// Who is busy with a ticket will see that it has expired.
const FORGET: &str = "
DELETE FROM tickets WHERE digest = ANY (ARRAY (
    SELECT digest FROM tickets WHERE expires_at <= $ FOR UPDATE SKIP LOCKED
))";

/// Removes what has expired; answers how many there were.
pub fn forget(connection: &mut AnyConnection, now: Timestamp) -> Result<usize, StorageError> {
    let forgotten = match connection {
        AnyConnection::Postgres(c) => {
            Statement::<'_, BigInt>::new(FORGET, vec![Column::Number(now.as_micros())]).execute(c)?
        }
        AnyConnection::Sqlite(c) => {
            diesel::delete(dsl::tickets.filter(dsl::expires_at.le(now.as_micros()))).execute(c)?
        }
    };
    Ok(forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_reads_back_from_its_text_and_is_not_printed() {
        let ticket = Ticket::fresh().expect("random bytes");
        let text = ticket.to_text();
        assert_eq!(text.len(), TEXT_BYTES);
        assert_eq!(Ticket::parse(&text), Some(ticket.clone()));
        assert_eq!(format!("{ticket:?}"), "Ticket(••••••)");
        assert_ne!(Ticket::fresh().expect("random bytes"), ticket);
    }

    #[test]
    fn only_the_very_text_is_a_ticket() {
        let text = Ticket([0xff; TICKET_BYTES]).to_text();
        let (head, _) = text.split_at(TEXT_BYTES - 1);
        // The last character has two bits to spare, which must be 0.
        for other in
            ["", head, &format!("{head}9"), &format!("{text}="), &format!("{head} "), &format!("{head}+")]
        {
            assert_eq!(Ticket::parse(other), None, "{other:?}");
        }
        assert!(Ticket::parse(&text).is_some());
    }
}
