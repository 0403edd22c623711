//! Who asks: finds the token of a request and has it verified.

use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use actix_web::{FromRequest, HttpMessage, HttpRequest, web};
use tokio::sync::OnceCell;

use super::access::KnownCaller;
use super::acquaintances::Acquaintances;
use super::origin::AllowedOrigins;
use super::problem::Problem;
use super::tickets::{Admission, TicketOffice};
use crate::auth::Tokens;
pub use crate::domain::Door;
use crate::domain::Identity;

/// Whom a page takes itself to speak for. A cookie may have changed hands since: then nothing of the other's is shown or
/// changed.
pub const EXPECTED_USER: HeaderName = HeaderName::from_static("bellhop-user");

/// Finds and verifies tokens, and tickets in their place.
#[derive(Debug, Clone)]
pub struct Authenticator {
    tokens: Arc<Tokens>,
    cookie: Arc<str>,
    office: TicketOffice,
}

impl Authenticator {
    pub fn new(tokens: Arc<Tokens>, cookie: &str, office: TicketOffice) -> Self {
        Self { tokens, cookie: cookie.into(), office }
    }

    /// Looks at the `Authorization` header, then the cookie, then `?token=`. The first that is there
    /// decides: a bad header is not made good by a cookie.
    pub fn authenticate(&self, request: &HttpRequest) -> Result<Identity, Problem> {
        let Presented { header, cookie, token, .. } = self.presented(request);
        match header {
            Some(header) => self.verify(&header?),
            None => self.verify(&cookie.or(token).ok_or_else(missing)?),
        }
    }

    /// The same for a door that stays open, which also takes a ticket: after the cookie, before `?token=`.
    pub async fn admit(&self, request: &HttpRequest, door: Door) -> Result<Identity, Problem> {
        let identity = self.identify(&self.presented(request), None, door).await?;
        request.extensions_mut().insert(KnownCaller(identity.user.clone()));
        Ok(identity)
    }

    /// Whether a ticket decides who sent a request.
    pub fn is_shown_a_ticket(&self, request: &HttpRequest) -> bool {
        let Presented { header, cookie, ticket, .. } = self.presented(request);
        header.is_none() && cookie.is_none() && ticket.is_some()
    }

    /// What a request says of who sent it, to be verified later.
    pub fn presented(&self, request: &HttpRequest) -> Presented {
        let asked = |name| query_value(request.query_string(), name).filter(|value| !value.is_empty());
        // HEAD changes nothing (RFC 9110 §9.2.1): it uses no ticket up.
        let ticket = if request.method() == Method::HEAD { None } else { asked("ticket") };
        Presented {
            header: request.headers().get(AUTHORIZATION).map(bearer),
            cookie: request.cookie(&self.cookie).map(|cookie| cookie.value().to_owned()),
            ticket,
            redeemed: OnceCell::new(),
            token: asked("token"),
        }
    }

    /// Verifies what was presented at a door. `token` is one that the client gave otherwise: it comes after the
    /// header and before the cookie. A ticket that was redeemed goes on to be good for what was presented with it.
    pub async fn identify(
        &self,
        presented: &Presented,
        token: Option<String>,
        door: Door,
    ) -> Result<Identity, Problem> {
        if let Some(header) = &presented.header {
            return self.verify(&header.clone()?);
        }
        if let Some(token) = token.as_ref().or(presented.cookie.as_ref()) {
            return self.verify(token);
        }
        if let Some(ticket) = &presented.ticket {
            let bearer = presented.redeemed.get_or_try_init(|| self.office.redeem(ticket, door)).await?;
            // It was believed when the ticket was issued, and much can have come since.
            self.tokens.check_still_believed(bearer)?;
            return Ok(bearer.clone());
        }
        self.verify(presented.token.as_ref().ok_or_else(missing)?)
    }

    /// Issues a ticket for this door to the bearer of a token.
    pub async fn issue_ticket(&self, bearer: Identity, door: Door) -> Result<Admission, Problem> {
        let believed_for = self.tokens.believed_for(&bearer);
        self.office.issue(bearer, door, believed_for).await
    }

    fn verify(&self, token: &str) -> Result<Identity, Problem> {
        self.tokens.verify(token).map_err(Problem::from)
    }

    /// Whether the token comes in the cookie, which a browser adds whatever page made it ask.
    fn comes_by_cookie(&self, request: &HttpRequest) -> bool {
        !request.headers().contains_key(AUTHORIZATION) && request.cookie(&self.cookie).is_some()
    }
}

/// Tokens as a request brought them.
pub struct Presented {
    header: Option<Result<String, Problem>>,
    cookie: Option<String>,
    ticket: Option<String>,
    /// Whom the ticket let in: it does so once, and its connection may ask more often.
    redeemed: OnceCell<Identity>,
    /// The query's.
    token: Option<String>,
}

fn missing() -> Problem {
    Problem::unauthorized("token_missing", "a token is needed")
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented").finish_non_exhaustive()
    }
}

/// The token of an `Authorization` header.
fn bearer(header: &HeaderValue) -> Result<String, Problem> {
    let malformed = || {
        Problem::unauthorized(
            "authorization_malformed",
            "the Authorization header must be Bearer and a token",
        )
    };
    let text = header.to_str().map_err(|_| malformed())?;
    let (scheme, token) = text.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(malformed());
    }
    Ok(token.trim().to_owned())
}

/// An expected user's id: percent-encoded, because a header is ASCII.
fn percent_decoded(header: &HeaderValue) -> String {
    let encoded = [b"user=", header.as_bytes()].concat();
    url::form_urlencoded::parse(&encoded).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// A parameter of a query string, decoded; the first of its name.
pub fn query_value(query: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// The verified bearer of a request's token; taken as a handler's argument it refuses
/// with 401, and with 403 where another page's form may have sent the cookie.
#[derive(Debug)]
pub struct Caller(pub Identity);

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let caller = identify(request);
        if let Ok(identity) = &caller {
            request.extensions_mut().insert(KnownCaller(identity.user.clone()));
        }
        if let (Ok(identity), Some(acquaintances)) = (&caller, request.app_data::<web::Data<Acquaintances>>())
        {
            acquaintances.note(identity);
        }
        ready(caller.map(Self))
    }
}

/// Who sent a request, found out before its handler asks.
#[derive(Debug)]
pub(super) struct Verified(pub(super) Result<Identity, Problem>);

fn identify(request: &HttpRequest) -> Result<Identity, Problem> {
    let authenticator = request.app_data::<web::Data<Authenticator>>().ok_or_else(Problem::internal)?;
    let verified = request.extensions_mut().remove::<Verified>();
    let identity = verified.map_or_else(|| authenticator.authenticate(request), |Verified(who)| who)?;
    if let Some(expected) = request.headers().get(EXPECTED_USER)
        && percent_decoded(expected) != identity.user.as_str()
    {
        return Err(Problem::unauthorized("other_user", "the token is another user's than the page is for"));
    }
    if !request.method().is_safe() && authenticator.comes_by_cookie(request) {
        let origins = request.app_data::<web::Data<AllowedOrigins>>().ok_or_else(Problem::internal)?;
        origins.check(request)?;
    }
    Ok(identity)
}
