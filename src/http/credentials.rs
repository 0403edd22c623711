//! Who asks: finds the token of a request and has it verified.

use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use actix_web::{FromRequest, HttpRequest, web};

use super::acquaintances::Acquaintances;
use super::origin::AllowedOrigins;
use super::problem::Problem;
use crate::auth::Verifier;
pub use crate::domain::Door;
use crate::domain::{Clock, Identity};

/// Finds and verifies tokens.
#[derive(Debug, Clone)]
pub struct Authenticator {
    verifier: Arc<Verifier>,
    /// The wall clock itself: whoever signs tokens goes by theirs, so a clock that is wrong and then
    /// set right must not go on judging tokens by the wrong time.
    wall: Arc<dyn Clock>,
    cookie: Arc<str>,
}

impl Authenticator {
    pub fn new(verifier: Verifier, wall: Arc<dyn Clock>, cookie: &str) -> Self {
        Self { verifier: Arc::new(verifier), wall, cookie: cookie.into() }
    }

    /// Looks at the `Authorization` header, then the cookie, then `?token=`. The first that is there
    /// decides: a bad header is not made good by a cookie.
    pub fn authenticate(&self, request: &HttpRequest) -> Result<Identity, Problem> {
        self.identify(&self.presented(request), None)
    }

    /// The same for a door that stays open, which also takes a ticket.
    pub async fn admit(&self, request: &HttpRequest, door: Door) -> Result<Identity, Problem> {
        self.identify(&self.presented_at(request, door).await, None)
    }

    /// What a request at a door says of who sent it. A ticket is redeemed now: it is good once, and not for long.
    pub async fn presented_at(&self, request: &HttpRequest, _: Door) -> Presented {
        std::future::ready(self.presented(request)).await
    }

    /// What a request says of who sent it, to be verified later.
    pub fn presented(&self, request: &HttpRequest) -> Presented {
        let header = request.headers().get(AUTHORIZATION).map(bearer);
        let cookie = request.cookie(&self.cookie).map(|cookie| cookie.value().to_owned());
        let query = || query_value(request.query_string(), "token").filter(|token| !token.is_empty());
        Presented { header, other: cookie.or_else(query) }
    }

    /// Verifies what was presented. `token` is one that the client gave otherwise: it comes after the header and
    /// before the cookie.
    pub fn identify(&self, presented: &Presented, token: Option<String>) -> Result<Identity, Problem> {
        let token = match &presented.header {
            Some(header) => header.clone()?,
            None => token
                .or_else(|| presented.other.clone())
                .ok_or_else(|| Problem::unauthorized("token_missing", "a token is needed"))?,
        };
        self.verifier.verify(&token, self.wall.now()).map_err(Problem::from)
    }

    /// How long the bearer's token is still believed: so long a connection may last.
    pub fn believed_for(&self, identity: &Identity) -> Option<Duration> {
        self.verifier.believed_until(identity).map(|until| until.since(self.wall.now()))
    }

    /// Whether the token comes in the cookie, which a browser adds whatever page made it ask.
    fn comes_by_cookie(&self, request: &HttpRequest) -> bool {
        !request.headers().contains_key(AUTHORIZATION) && request.cookie(&self.cookie).is_some()
    }
}

/// Tokens as a request brought them.
pub struct Presented {
    header: Option<Result<String, Problem>>,
    /// The cookie's, else the query's.
    other: Option<String>,
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
        if let (Ok(identity), Some(acquaintances)) = (&caller, request.app_data::<web::Data<Acquaintances>>())
        {
            acquaintances.note(identity);
        }
        ready(caller.map(Self))
    }
}

fn identify(request: &HttpRequest) -> Result<Identity, Problem> {
    let authenticator = request.app_data::<web::Data<Authenticator>>().ok_or_else(Problem::internal)?;
    let identity = authenticator.authenticate(request)?;
    if !request.method().is_safe() && authenticator.comes_by_cookie(request) {
        let origins = request.app_data::<web::Data<AllowedOrigins>>().ok_or_else(Problem::internal)?;
        origins.check(request)?;
    }
    Ok(identity)
}
