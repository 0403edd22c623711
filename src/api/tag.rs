//! Entity tags of what is made of one user's inbox (RFC 9110 §8.8.3): who asks again and knows the tag is told
//! that nothing has changed, before anything but the inbox's own row was read.

use actix_web::http::header::{CACHE_CONTROL, ETAG, VARY};
use actix_web::{HttpResponse, HttpResponseBuilder};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::domain::UserId;
use crate::storage::inboxes::Standing;

/// To be changed with the shape of what is tagged: a browser may have kept the old one.
const SHAPE: u8 = 1;
/// How much of the hash a tag keeps; nobody gains by guessing one.
const HASH_BYTES: usize = 12;

/// The tag of one user's inbox as it stands. Two users' differ although their inboxes stand alike: a browser
/// that changes hands must not show the one what it kept of the other.
pub(super) fn of(user: &UserId, standing: Standing) -> String {
    let figures = [standing.inbox.last_seq, standing.inbox.unread, standing.total];
    let digest = figures
        .into_iter()
        .fold(Sha256::new().chain_update([SHAPE]), |hash, figure| hash.chain_update(figure.to_be_bytes()))
        .chain_update(user.as_str())
        .finalize();
    let short: Vec<u8> = digest.into_iter().take(HASH_BYTES).collect();
    // Weak: the bytes may come compressed or not.
    format!("W/\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(short))
}

/// What is answered, and its tag. No body where the client has it.
#[derive(Debug)]
pub(super) struct Tagged {
    pub(super) tag: String,
    pub(super) body: Option<String>,
}

impl Tagged {
    pub(super) fn into_response(self) -> HttpResponse {
        let mut response = if self.body.is_some() { HttpResponse::Ok() } else { HttpResponse::NotModified() };
        keep_private(response.insert_header((ETAG, self.tag)));
        match self.body {
            Some(body) => response.content_type("application/json").body(body),
            None => response.finish(),
        }
    }
}

/// For the one who asked only, and to be asked for again each time.
pub(super) fn keep_private(response: &mut HttpResponseBuilder) {
    response
        .insert_header((CACHE_CONTROL, "private, no-cache"))
        // In one value: of several, the layer that adds Origin keeps the first.
        .insert_header((VARY, "Authorization, Cookie, Accept-Encoding"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::InboxState;

    fn tag(user: &str, last_seq: i64, unread: i64, total: i64) -> String {
        let standing = Standing { inbox: InboxState { last_seq, unread }, total };
        of(&UserId::from_stored(user.to_owned()), standing)
    }

    #[test]
    fn whatever_changes_changes_the_tag() {
        let tags = [
            tag("ann", 3, 2, 1),
            tag("bob", 3, 2, 1),
            tag("ann", 4, 2, 1),
            tag("ann", 3, 1, 1),
            tag("ann", 3, 2, 0),
        ];
        let different: std::collections::BTreeSet<&String> = tags.iter().collect();
        assert_eq!(different.len(), tags.len(), "{tags:?}");
        assert_eq!(tag("ann", 3, 2, 1), tags[0]);
        assert!(tags.iter().all(|tag| tag.len() == 20 && tag.starts_with("W/\"")), "{tags:?}");
    }
}
