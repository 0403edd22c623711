//! A session goes on by a fresh token of the same user: it lasts as long as that one, with its roles and rooms. Its
//! id, and the log-in that it belongs to, stay what they were.

use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;
use serde_json::json;

use super::outbox::Pass;
use super::{Answer, Reaction, Session};
use crate::actors::hub::Recast;
use crate::actors::persistence::Greet;
use crate::config::Secret;
use crate::domain::{Member, Profile, Room};
use crate::protocol::events::Refusal;

impl Session {
    /// Takes a fresh token, or refuses it and changes nothing.
    pub(super) fn refresh(&self, token: &Secret) -> Result<Reaction, Refusal> {
        let tokens = &self.services.tokens;
        let identity = tokens.verify(token.reveal()).map_err(|error| {
            Refusal::new(error.code(), format!("{error}: the one of before still counts"))
        })?;
        if identity.user != self.me().user {
            return Err(Refusal::new("other_user", "the token is another user's: connect anew with it"));
        }
        self.outbox.renew(Pass::new(&identity, tokens.believed_for(&identity)));
        // What was taken back since it was verified is found by whoever takes something back, or here.
        self.outbox.review(tokens);
        let member = Arc::new(Member { session: self.me().session.clone(), ..Member::from(&identity) });
        self.me.replace(Arc::clone(&member));
        let (services, outbox) = (Arc::clone(&self.services), Rc::clone(&self.outbox));
        let recast = services.hub.send(Recast { session: outbox.reference(), member });
        let (rejoin, bearer) = (self.rejoiner(), self.bearer());
        let answer = async move {
            let Ok(Some(lost)) = recast.await else {
                return Refusal::new("unavailable", "the session is ending").into();
            };
            for room in lost {
                outbox.lost(&room);
                // A party's rooms are open whatever the token says, and an administrator's once that is noted.
                if matches!(room, Room::Other(_)) && bearer.enter(&room).await.is_ok() {
                    rejoin(room).await;
                }
            }
            let answer = Answer::new("tokenRefreshed", json!({ "expiresAt": identity.expires_at }));
            let profile = Profile::of(&identity);
            if !matches!(services.persistence.send(Greet { profile }).await, Ok(Ok(_))) {
                log::debug!("what a fresh token says of its bearer is kept when they come again");
            }
            answer
        };
        Ok(Reaction::Later(answer.boxed_local()))
    }
}
