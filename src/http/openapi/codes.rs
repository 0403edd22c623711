//! The stable codes of errors, each with its status and what it means: what a client may rely on. In groups,
//! for a route has whole groups of them.

/// A code that a client may get.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    pub status: u16,
    pub name: &'static str,
    /// For people.
    pub means: &'static str,
}

/// Codes that come together.
pub type Codes = &'static [Code];

const fn code(status: u16, name: &'static str, means: &'static str) -> Code {
    Code { status, name, means }
}

/// Of every route that wants a token.
pub const TOKEN: Codes = &[
    code(401, "token_missing", "no token came"),
    code(401, "authorization_malformed", "the Authorization header is not Bearer and a token"),
    code(
        401,
        "token_malformed",
        "the token is not a JWT, one of its claims has the wrong type, or no order could name its jti",
    ),
    code(401, "token_key", "no key is configured for the token's algorithm and key id"),
    code(401, "token_signature", "the token's signature does not match"),
    code(401, "token_expired", "the token has expired"),
    code(401, "token_not_yet_valid", "the token is not valid yet"),
    code(401, "token_revoked", "the token was revoked, or the key that signed it withdrawn meanwhile"),
    code(401, "token_lasts_too_long", "the token lasts longer than is allowed, or does not say since when"),
    code(401, "token_without_expiry", "the token has no expiry"),
    code(401, "token_without_user", "the token names no user"),
    code(401, "token_user", "the token's user id is empty, too long or has white space in it"),
    code(401, "token_issuer", "the token is from another issuer"),
    code(401, "token_audience", "the token is for another audience"),
    code(401, "other_user", "the token is another user's than the request's Bellhop-User header says"),
];

/// Of routes that change something: a cookie alone does not do for another site's page.
pub const ORIGIN: Codes = &[code(403, "origin_not_allowed", "the page's origin is not allowed")];

/// Of the figures, where they have a token, which is no user's.
pub const METRICS_TOKEN: Codes = &[
    code(401, "token_missing", "no token came"),
    code(401, "token_signature", "this is not the figures' token"),
];

/// Of the figures, where production was not told whom to show them to.
pub const METRICS_HIDDEN: Codes =
    &[code(404, "not_found", "in production there are no figures without a token")];

/// Of routes that may be somebody else's.
pub const FORBIDDEN: Codes = &[code(403, "forbidden", "the token's bearer may not do this")];

/// Of routes that take a JSON body.
pub const BODY: Codes = &[
    code(400, "body_incomplete", "the body could not be read to its end"),
    code(400, "malformed_json", "the body is not JSON"),
    code(408, "body_timeout", "the body did not come in time"),
    code(413, "body_too_large", "the body is larger than is taken"),
    code(415, "unsupported_media_type", "the body is not application/json"),
    code(415, "unsupported_encoding", "the body is compressed"),
    code(422, "invalid_body", "a field is missing, or has the wrong type"),
];

/// A value that does not fit; `field` says which.
pub const FIELD: Codes = &[code(422, "invalid_field", "a value does not fit; field says which")];

/// Of routes that take an `Idempotency-Key`.
pub const IDEMPOTENCY: Codes = &[
    code(400, "idempotency_key_invalid", "the key is not 1 to 255 visible ASCII characters"),
    code(422, "idempotency_key_reused", "the key was used for something else"),
];

/// A key where a repeat could not be told.
pub const NO_IDEMPOTENCY: Codes =
    &[code(400, "idempotency_key_unsupported", "this takes no key: nothing is kept that could be repeated")];

/// Of everything that asks the database.
pub const STORED: Codes = &[
    code(500, "internal", "the server failed, and has logged it"),
    code(503, "overloaded", "too many requests wait"),
    code(503, "database_unavailable", "the database is not available"),
];

/// What does not exist, or is not the bearer's to know of.
pub const NOT_FOUND: Codes = &[code(404, "not_found", "there is no such thing, or it is not yours")];

/// A path's id.
pub const ID: Codes = &[code(400, "invalid_id", "the id is no UUID")];

/// A query.
pub const QUERY: Codes = &[code(400, "invalid_query", "a parameter does not fit; field says which")];

/// A booking's steps.
pub const WRONG_STATUS: Codes = &[code(409, "wrong_status", "the booking's status does not allow this step")];

/// Whom a notification is for.
pub const TARGET: Codes = &[code(422, "invalid_target", "not exactly one of userId, userIds, role and room")];

/// Whom a broadcast is for.
pub const AUDIENCE: Codes = &[code(422, "invalid_target", "not exactly one of role and all")];

/// A receipt of what there is not.
pub const SEQ_AHEAD: Codes = &[code(422, "seq_ahead", "the inbox has not come so far")];

/// Of everything that is asked of a server over its limits.
pub const RATE: Codes =
    &[code(429, "rate_limited", "too many requests came from this user, service or address")];

/// Of doors.
pub const CONNECTIONS: Codes =
    &[code(429, "too_many_connections", "too many connections from this address are open")];

/// Tickets.
pub const TOO_MANY_TICKETS: Codes = &[code(429, "too_many_tickets", "the user holds as many as one may")];

/// Of revoking.
pub const REVOKED: Codes = &[code(503, "too_many_revocations", "as much is revoked as can be remembered")];

/// Of doors that take a ticket in place of a token.
pub const TICKET: Codes =
    &[code(401, "ticket_invalid", "the ticket is none, was used, has expired or is for another door")];

/// Event streams that are gone on with.
pub const LAST_EVENT_ID: Codes =
    &[code(400, "invalid_last_event_id", "it is not the id of an event from here")];

/// The stream for everybody.
pub const TEST_STREAMS: Codes = &[code(503, "too_many_test_streams", "too many test streams are open")];

/// Tokens that cannot be made.
pub const NO_SECRET: Codes =
    &[code(422, "no_secret", "tokens are verified with a public key: none is made here")];

/// Of what a link opens.
pub const LINK: Codes = &[
    code(401, "link_invalid", "the link is not one of ours, or was cut"),
    code(401, "link_expired", "the link is too old"),
];

/// That not everything may be changed by a link of a mail.
pub const LINK_SCOPE: Codes = &[
    code(403, "link_scope", "a mail's link opens what comes by mail and nothing else"),
    code(422, "too_many_choices", "choices are kept for as many categories as can be"),
];

/// Of doors and of readiness.
pub const DRAINING: Codes = &[code(503, "draining", "the server is stopping")];

/// A failure of the server's own.
pub const FAILED: Codes = &[code(500, "internal", "the server failed, and has logged it")];

/// Where nothing can be asked of the database.
pub const DATABASE: Codes = &[code(503, "database_unavailable", "the database is not available")];

/// The WebSocket handshake.
pub const HANDSHAKE: Codes = &[
    code(400, "websocket_handshake", "the WebSocket handshake is not complete"),
    code(426, "upgrade_required", "this path is a WebSocket"),
    code(426, "websocket_version", "Sec-WebSocket-Version must be 13"),
];
