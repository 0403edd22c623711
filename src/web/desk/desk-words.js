// The words of the desk for the words of the server: states, steps, doors, deeds, refused tokens, parts of /ready.
// What this file does not know is shown as the server says it.

/** States of a delivery: their colour and what they mean. */
export const STATES = {
  pending: { tone: "warn", label: "pending", means: "waits for a device to confirm, or for its mail" },
  confirmed: { tone: "good", label: "confirmed", means: "a device proved that it has it" },
  emailed: { tone: "good", label: "emailed", means: "the mail server took the mail" },
  suppressed: { tone: "plain", label: "suppressed", means: "no address, or mail is not wanted" },
  withdrawn: { tone: "plain", label: "withdrawn", means: "the booking was cancelled before anybody saw it" },
  failed: { tone: "bad", label: "failed", means: "the mail server refused for good, or for a whole day" },
};

/** What can be filtered by; the same words as in the API. */
export const CHANNELS = ["websocket", "socketio", "sse", "rest", "email", "amqp"];
export const ROLES = ["CUSTOMER", "PROFESSIONAL", "ADMIN", "SERVICE"];
export const STEPS = ["confirmed", "read", "deleted", "deferred", "emailed", "suppressed", "withdrawn", "failed"];

const CHANNEL_NAMES = {
  websocket: "WebSocket",
  socketio: "Socket.IO",
  sse: "event stream",
  rest: "REST",
  email: "e-mail",
  amqp: "RabbitMQ",
};

/** A channel's or door's name, as people write it. */
export const channelName = (channel) => CHANNEL_NAMES[channel] ?? channel ?? "";

/** What administrators do and look at; `look` marks what changes nothing. */
export const DEEDS = {
  read_presence: { text: "looked who is online", look: true },
  read_logs: { text: "looked through the log", look: true },
  read_stats: { text: "looked at figures", look: true },
  read_trail: { text: "looked at a trail", look: true },
  read_audit: { text: "looked at the audit", look: true },
  read_broadcast: { text: "looked how far a broadcast is", look: true },
  read_booking: { text: "looked at a booking", look: true },
  broadcast: { text: "sent a broadcast" },
  publish: { text: "sent a notification" },
  book: { text: "booked for somebody" },
  move_booking: { text: "changed a booking" },
  disconnect: { text: "disconnected a user" },
  revoke_token: { text: "revoked a token" },
  revoke_user: { text: "revoked a user's tokens" },
  join_room: { text: "listened in a room" },
};

/** Steps of a trail: what happened. */
export const STEP_WORDS = {
  pending: { tone: "plain", text: "Created and kept" },
  confirmed: { tone: "good", text: "Confirmed by a device" },
  read: { tone: "good", text: "Read" },
  deleted: { tone: "plain", text: "Deleted by its user" },
  deferred: { tone: "warn", text: "Mail put off, to be tried again" },
  emailed: { tone: "good", text: "Mailed" },
  suppressed: { tone: "plain", text: "Not mailed: no address, or not wanted" },
  withdrawn: { tone: "plain", text: "Withdrawn with its booking" },
  failed: { tone: "bad", text: "Failed for good" },
};

/** Why a token lets nobody in, by the server's code, and what to do about it. */
const REFUSALS = {
  token_expired: "The token has expired. Get a fresh one and sign in again; this view is kept.",
  token_revoked: "The token was revoked, or the key that signed it was withdrawn. Get a new one.",
  token_signature: "The token was not signed with this server's key. Is it from another environment?",
  token_malformed: "This is not a whole token. Copy all three parts of it, with the dots between them.",
  token_not_yet_valid: "The token is not valid yet. Compare the clocks of its issuer and of this server.",
  token_key: "This server knows no key for the token's algorithm and key id.",
  token_issuer: "The token is from another issuer than this server believes.",
  token_audience: "The token is meant for another audience.",
  token_without_expiry: "The token never expires, and such are not believed here.",
  token_lasts_too_long: "The token lasts longer than this server allows.",
  token_without_user: "The token names no user.",
  token_user: "The token's user id is not one that this server takes.",
  token_missing: "Sign in with an administrator's token.",
  forbidden: "The token is genuine, and not an administrator's.",
};

export const refusal = (code, detail) => REFUSALS[code] ?? `The token is refused: ${detail ?? code}.`;

/** The parts of /ready: what each is, what being degraded means, and what to do then. */
export const PARTS = {
  database: {
    name: "Database",
    does: "Keeps everything that was accepted",
    broken: "it can be read and not written: bookings are refused with 503",
    todo: "Look at its disk space, then at its own log. Senders repeat what was refused.",
  },
  mail: {
    name: "Mail",
    does: "Reaches those whom no device reaches",
    broken: "the mail server is not reached or refuses for now, or mail is late",
    todo: "Look at the mail server and SMTP_URL. Nothing is lost: mails are tried again for a day.",
    href: "#/log?state=pending",
  },
  queues: {
    name: "Queues",
    does: "Hold what waits to be written and read",
    broken: "they are nearly full: the server takes more than the database does",
    todo: "Look at the database's load and who sends so much. What is too much is answered 503 or 429.",
  },
  hub: {
    name: "Hub",
    does: "Knows who is connected and pushes to them",
    broken: "it does not answer in time",
    todo: "Look at this instance's processor and log; restart it if that goes on. Mail goes out meanwhile.",
  },
  bus: {
    name: "Bus",
    does: "Goes between instances, over Redis",
    broken: "Redis is not reached: each instance works alone",
    todo: "Look at Redis. Devices at other instances hear some seconds later; nothing is lost.",
  },
  audit: {
    name: "Self-audit",
    does: "Looks for notifications that nothing would deliver",
    broken: "there are notifications that nothing would ever deliver",
    todo: "Keep a copy of the database before anything else; then look at bellhop_notifications_lost and the log.",
  },
  rabbitmq: {
    name: "RabbitMQ",
    does: "Brings events of back ends",
    broken: "the broker is not reached",
    todo: "Look at the broker and AMQP_URL. Messages wait there in their queue.",
  },
};

/** What waits, by the names of /ready. */
export const WAITING = {
  write: "to be written",
  clerical: "clerical work",
  read: "reads",
  mail: "mails being sent",
  confirmations: "confirmations to be recorded",
};

/** 12,345 */
export const count = (number) => Number(number ?? 0).toLocaleString("en");

/** 1 connection, 2 connections */
export const many = (number, one, more = `${one}s`) => `${count(number)} ${number === 1 ? one : more}`;

/** 64 MB */
export function bytes(number) {
  if (number < 1_000) return `${number} B`;
  if (number < 1_000_000) return `${(number / 1_000).toFixed(0)} KB`;
  return `${(number / 1_000_000).toFixed(number < 10_000_000 ? 1 : 0)} MB`;
}
