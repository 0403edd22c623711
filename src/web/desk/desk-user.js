// One user on one page: are they online, by what, and what became of what they were sent last. Where one begins when
// somebody says that they got nothing.

import { disconnectButton, revokeButton } from "./desk-actions.js";
import { badge, copyable, el } from "./desk-dom.js";
import { logTable } from "./desk-log.js";
import { announce, problemPlace } from "./desk-notices.js";
import { connections } from "./desk-presence.js";
import { to } from "./desk-route.js";

const EVERY_MS = 5_000;
const LOG_EVERY_MS = 10_000;
const SHOWN = 20;
const CONNECTIONS_MAX = 50;

export function userView(desk, { id }) {
  const { api, live, signal } = desk;
  const problems = problemPlace();
  const online = el("div", { class: "online" });
  const list = logTable({ label: `The latest of ${id}`, withUser: false });
  list.says("Nothing was ever sent to this user, or nothing of it is kept. Is the id spelt as in your platform?");
  const element = el(
    "div",
    { class: "user" },
    el("p", {}, el("a", { href: "#/presence", text: "Presence" })),
    el("h1", {}, "User ", el("bdi", { text: id })),
    problems.element,
    el(
      "section",
      { class: "card", "aria-labelledby": "online" },
      el("h2", { id: "online", text: "Now" }),
      online,
      el(
        "div",
        { class: "row" },
        disconnectButton(desk, id, () => presence.now()),
        revokeButton(desk, id, () => presence.now()),
        copyable(id, "the user's id", announce),
      ),
    ),
    el(
      "section",
      { "aria-labelledby": "latest" },
      el("h2", { id: "latest", text: "The latest notifications" }),
      list.element,
      el(
        "p",
        { class: "row" },
        el("a", { href: to("log", { filters: { userId: id } }), text: "All of them" }),
        el("a", { href: to("log", { filters: { userId: id, state: "failed" } }), text: "Those that failed" }),
        el("a", { href: to("audit", { filters: { userId: id } }), text: "What they saw and when" }),
        el("a", { href: to("audit", { filters: { target: id } }), text: "What administrators did" }),
      ),
    ),
  );

  const presence = live.start({
    name: "user",
    every: EVERY_MS,
    signal,
    work: async () => {
      const { users, complete } = await api.get("/admin/presence", { userId: id, limit: "1" }, { signal });
      problems.clear();
      const sessions = users[0]?.sessions ?? [];
      const sign = JSON.stringify([users, complete]);
      if (online.sign === sign) return;
      online.sign = sign;
      online.replaceChildren(...standing(users[0], sessions, complete));
    },
    failed: (error) => error.code && problems.show(error, "Whether they are online is not known"),
  });
  live.start({
    name: "latest",
    every: LOG_EVERY_MS,
    signal,
    work: async () => {
      const page = await api.get("/admin/notifications/logs", { userId: id, limit: String(SHOWN) }, { signal });
      list.update(page.items);
    },
    failed: (error) => error.code && problems.show(error, "The log could not be had"),
  });
  return { element };
}

function standing(user, sessions, complete) {
  const doubt = complete
    ? []
    : [el("p", { class: "hint", text: "Other instances cannot be asked just now: they may be online there." })];
  if (!user) {
    return [el("p", {}, badge("offline", "plain"), " No device is connected: what they are sent is mailed."), ...doubt];
  }
  const roles = user.roles.length ? ` as ${user.roles.join(", ")}` : "";
  return [el("p", {}, badge("online", "good"), roles), connections(sessions, CONNECTIONS_MAX), ...doubt];
}
