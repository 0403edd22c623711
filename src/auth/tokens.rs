//! Whether a token is believed now, with all that can change while the server runs: the time, the keys, and what was
//! revoked. Requests, handshakes and tickets ask here; sessions are told when to ask again.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use tokio::sync::watch;

use super::error::TokenError;
use super::keyring::Reload;
use super::revocations::Revocations;
use super::verifier::Verifier;
use crate::domain::{Clock, CloseReason, Credential, Identity, Order, Timestamp, UserId};

/// See the module's documentation. One for the whole server.
#[derive(Debug)]
pub struct Tokens {
    verifier: Verifier,
    /// The wall clock itself: whoever signs tokens goes by theirs, so a clock that is wrong and then set right must
    /// not go on judging tokens by the wrong time.
    wall: Arc<dyn Clock>,
    revocations: RwLock<Revocations>,
    /// Tells sessions that something was taken back.
    taken_back: watch::Sender<()>,
}

impl Tokens {
    pub fn new(verifier: Verifier, wall: Arc<dyn Clock>) -> Self {
        Self { verifier, wall, revocations: RwLock::default(), taken_back: watch::Sender::new(()) }
    }

    /// Who the bearer of `token` is, if it is believed.
    pub fn verify(&self, token: &str) -> Result<Identity, TokenError> {
        let identity = self.verifier.verify(token, self.wall.now())?;
        self.check_not_revoked(&identity)?;
        Ok(identity)
    }

    /// Whether somebody whose token was believed, for example when a ticket was issued, still is.
    pub fn check_still_believed(&self, identity: &Identity) -> Result<(), TokenError> {
        if self.believed_for(identity) == Some(Duration::ZERO) {
            return Err(TokenError::Expired);
        }
        if !self.verifier.trusts(identity.signed_by) {
            return Err(TokenError::NoKeyFits);
        }
        self.check_not_revoked(identity)
    }

    fn check_not_revoked(&self, identity: &Identity) -> Result<(), TokenError> {
        let Identity { user, token_id, issued_at, .. } = identity;
        let is_revoked = self.revocations().cover(user, token_id.as_deref(), *issued_at);
        if is_revoked { Err(TokenError::Revoked) } else { Ok(()) }
    }

    /// How long the bearer's token is still believed: so long a connection may last.
    pub fn believed_for(&self, identity: &Identity) -> Option<Duration> {
        self.verifier.believed_until(identity).map(|until| until.since(self.wall.now()))
    }

    /// Why a session that goes by this token must end, if it must.
    pub fn objection(&self, user: &UserId, credential: &Credential) -> Option<CloseReason> {
        let Credential { token_id, issued_at, signed_by } = credential;
        if self.revocations().cover(user, token_id.as_deref(), *issued_at) {
            return Some(CloseReason::TokenRevoked);
        }
        (!self.verifier.trusts(*signed_by)).then_some(CloseReason::KeyWithdrawn)
    }

    /// Whether everything of this user that began before a time is revoked.
    pub fn are_revoked_of(&self, user: &UserId, began: Timestamp) -> bool {
        self.revocations().cover_all_of(user, began)
    }

    /// Takes orders; their disconnections are not for here.
    pub fn revoke<'a>(&self, orders: impl IntoIterator<Item = &'a Order>) {
        let mut revocations = self.revocations.write().unwrap_or_else(PoisonError::into_inner);
        orders.into_iter().for_each(|order| revocations.take(order));
        drop(revocations);
        self.taken_back.send_replace(());
    }

    /// How long what was revoked has to be remembered; none for ever.
    pub fn longest(&self) -> Option<Duration> {
        self.verifier.longest()
    }

    /// Forgets what was ordered so long ago that no token of then can still be valid.
    pub fn forget_revocations(&self) {
        if let Some(longest) = self.longest() {
            let before = self.wall.now().minus(longest);
            self.revocations.write().unwrap_or_else(PoisonError::into_inner).forget(before);
        }
    }

    /// How many revocations are known.
    pub fn revoked(&self) -> usize {
        self.revocations().len()
    }

    /// Reads the files with keys again, if they have changed. Blocks.
    pub fn reload_keys(&self) -> Reload {
        let reload = self.verifier.reload_keys();
        if matches!(reload, Reload::Loaded) {
            self.taken_back.send_replace(());
        }
        reload
    }

    /// Says each time that something was taken back.
    pub fn watch(&self) -> watch::Receiver<()> {
        self.taken_back.subscribe()
    }

    /// The time that tokens are judged by.
    pub fn now(&self) -> Timestamp {
        self.wall.now()
    }

    /// How far an issuer's clock may differ from ours.
    pub fn leeway(&self) -> Duration {
        self.verifier.leeway()
    }

    fn revocations(&self) -> RwLockReadGuard<'_, Revocations> {
        self.revocations.read().unwrap_or_else(PoisonError::into_inner)
    }
}
