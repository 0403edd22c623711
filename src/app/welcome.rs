//! What is said at the start: in development mode lines to paste that make a booking arrive, in production
//! what is missing.

use std::io::Write;
use std::net::SocketAddr;

use crate::auth::Minter;
use crate::config::{self, Settings};
use crate::domain::{Clock, Identity, Profile, Role, SystemClock, UserId};

/// Says what is allowed and hardly meant.
pub(super) fn warn(settings: &Settings) {
    for said in config::warnings(settings) {
        log::warn!("{said}");
    }
}

/// Prints the lines to standard output. They are an offer: that nobody reads them is no failure.
pub(super) fn say(settings: &Settings, addresses: &[SocketAddr]) {
    if let Some(text) = lines(settings, addresses) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

/// The demonstration's host, made known at the start so that mail finds an address even if nobody has
/// ever watched.
const HOST: &str = "demo-host";
const HOST_ADDRESS: &str = "demo-host@example.org";

/// What is known of the demonstration's host: the address alone, so that it is in nobody's audience.
pub(super) fn host() -> Option<Profile> {
    let host = person(HOST, "PROFESSIONAL", Some(HOST_ADDRESS))?;
    Some(Profile { roles: Vec::new(), ..Profile::of(&host) })
}

fn person(user: &str, role: &str, email: Option<&str>) -> Option<Identity> {
    Some(Identity {
        user: UserId::parse("userId", user).ok()?,
        roles: vec![Role::new(role)],
        session: None,
        email: email.map(str::to_owned),
        name: None,
        locale: None,
        time_zone: None,
        rooms: Vec::new(),
        expires_at: None,
        token_id: None,
        issued_at: None,
        signed_by: None,
    })
}

fn lines(settings: &Settings, addresses: &[SocketAddr]) -> Option<String> {
    let address = *addresses.first()?;
    let port = address.port();
    let (http, websocket) = if settings.server.tls_key.is_some() { ("https", "wss") } else { ("http", "ws") };
    let http = format!("{http}://localhost:{port}");
    let minter = Minter::new(&settings.auth).ok()?;
    let token = |identity: &Identity| {
        let lifetime = settings.auth.jwt_expires_in.duration();
        minter.mint(identity, lifetime, SystemClock.now()).ok()
    };
    let host = token(&person(HOST, "PROFESSIONAL", Some(HOST_ADDRESS))?)?;
    let guest = token(&person("demo-guest", "CUSTOMER", None)?)?;
    let mail = if settings.mail.smtp_url.is_empty() {
        format!("as files in {}/", settings.mail.outbox)
    } else {
        "by SMTP".to_owned()
    };
    Some(format!(
        r#"
bellhop is up (development mode) at {http}

Open {http}/ in a browser: a guest's form and a host's phone side by side, and the desk at {http}/admin.
Or by hand:

1. Be the host and watch. In a second terminal, with wscat (npm install -g wscat):

   wscat -c "{websocket}://localhost:{port}/ws/notifications?token={host}"

   or with curl alone (it shows what arrives but cannot confirm it, so mail is written all the same):

   curl -N {http}/notifications/sse -H "Authorization: Bearer {host}"

2. Be the guest and book. In a third terminal:

   curl -sS -X POST {http}/bookings -H "Authorization: Bearer {guest}" \
     -H "Content-Type: application/json" \
     -d '{{"hostId":"{HOST}","listingId":"sea-view","listingName":"Sea View","checkIn":"2030-12-03","checkOut":"2030-12-05","guests":2}}'

3. Close the host's terminal and book again: no device answers, so the host gets mail, {mail}.

   The host's history: curl -sS {http}/notifications -H "Authorization: Bearer {host}"

"#
    ))
}
