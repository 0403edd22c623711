// What an administrator does to a user: end the connections, take the tokens back. Both ask first and say what came
// of it; the server keeps both in the audit.

import { el } from "./desk-dom.js";
import { ask } from "./desk-notices.js";
import { local } from "./desk-time.js";

const path = (user, deed) => `/admin/users/${encodeURIComponent(user)}/${deed}`;
const named = (user) => el("code", { text: user, dir: "auto" });

/** A button that ends a user's connections; `done` is called after it was done. */
export function disconnectButton({ api }, user, done) {
  return el("button", {
    type: "button",
    text: "Disconnect",
    "aria-label": `Disconnect ${user}`,
    onclick: () => disconnect(api, user, done),
  });
}

/** A button that takes a user's tokens back. */
export function revokeButton({ api, session }, user, done) {
  return el("button", {
    type: "button",
    text: "Revoke tokens",
    "aria-label": `Revoke tokens of ${user}`,
    onclick: () => revoke(api, session, user, done),
  });
}

function disconnect(api, user, done) {
  ask({
    title: "End all connections?",
    body: [
      el("p", {}, "Every device of ", named(user), " is disconnected, at all instances."),
      el("p", {
        class: "hint",
        text: "Their tokens stay good: they may connect again. To keep them out, revoke their tokens.",
      }),
    ],
    verb: "Disconnect",
    act: async () => {
      const { at } = await api.post(path(user, "disconnect"), undefined);
      done();
      return `Disconnected ${user} at ${local(at)}.`;
    },
  });
}

function revoke(api, session, user, done) {
  const jti = el("input", {
    name: "jti",
    type: "text",
    maxlength: 256,
    autocomplete: "off",
    spellcheck: "false",
    dir: "ltr",
    id: "jti",
  });
  const own =
    session.claims?.user === user
      ? el("p", { class: "trouble", text: "These are your own: you are signed out by it." })
      : null;
  ask({
    title: "Take tokens back?",
    body: [
      el(
        "p",
        {},
        "All tokens of ",
        named(user),
        " that were issued before now. Whoever holds one is out at once and must log in again. This cannot be undone.",
      ),
      own,
      el("label", { for: "jti", text: "Or only one, by its id (jti)" }),
      jti,
    ].filter(Boolean),
    verb: "Revoke",
    act: async () => {
      const id = jti.value.trim();
      await api.post(path(user, "revoke"), id ? { jti: id } : {});
      done();
      return id ? `Revoked one token of ${user}.` : `Revoked all tokens of ${user}.`;
    },
  });
}
