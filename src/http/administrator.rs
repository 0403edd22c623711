//! Administrators: who may act as one, and the note of each deed, which is kept before it is done.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use super::credentials::Caller;
use super::problem::Problem;
use super::request;
use crate::actors::persistence::{Audit, WriteError};
use crate::actors::session::Services;
use crate::domain::{AdminAction, AuditEntry, Identity};

/// A caller who is an administrator; taken as a handler's argument it refuses everybody else with 401 or 403.
#[derive(Debug)]
pub struct Administrator {
    pub identity: Identity,
    services: web::Data<Services>,
}

impl Administrator {
    /// The bearer of a token that others have as well, if it is an administrator's.
    pub fn of(identity: &Identity, services: &web::Data<Services>) -> Option<Self> {
        identity.is_admin().then(|| Self { identity: identity.clone(), services: services.clone() })
    }

    /// The note of a deed, for whoever keeps it in the same transaction. `target` is whom or what it concerns,
    /// `detail` an object of how it was asked.
    pub fn entry(&self, action: AdminAction, target: Option<&str>, detail: Option<&Value>) -> AuditEntry {
        AuditEntry {
            id: self.services.ids.next(),
            at: self.services.clock.now(),
            actor: self.identity.user.clone(),
            device: AuditEntry::device_of(self.identity.session.as_deref()),
            action,
            target: target.map(ToOwned::to_owned),
            detail: detail.map(Value::to_string),
            request_id: request::current_id(),
        }
    }

    /// Keeps the note of a deed that changes nothing in the database. Nothing is shown of which no note could be kept.
    pub async fn record(
        &self,
        action: AdminAction,
        target: Option<&str>,
        detail: Option<&Value>,
    ) -> Result<(), Problem> {
        let message = Audit { entry: self.entry(action, target, detail) };
        let kept = self.services.persistence.send(message).await;
        kept.unwrap_or(Err(WriteError::Overloaded)).map_err(Problem::from)
    }
}

impl FromRequest for Administrator {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let services = request.app_data::<web::Data<Services>>().cloned();
        let caller = Caller::from_request(request, payload);
        Box::pin(async move {
            let Caller(identity) = caller.await?;
            if !identity.is_admin() {
                return Err(Problem::forbidden("only administrators may do this"));
            }
            Ok(Self { identity, services: services.ok_or_else(Problem::internal)? })
        })
    }
}
