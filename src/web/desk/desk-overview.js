// The overview: is it well, what waits, what failed, in one glance; then how much there is, how long it takes, and
// how each part does.

import { el, reconcile, setText } from "./desk-dom.js";
import { figuresPart } from "./desk-figures.js";
import { problemPlace } from "./desk-notices.js";
import { nowPart } from "./desk-now.js";
import { table } from "./desk-table.js";
import { timeElement } from "./desk-time.js";
import { PARTS, WAITING, bytes, count, many } from "./desk-words.js";
import { to } from "./desk-route.js";

/** Each look is in the audit: no more of them than serve. */
const PRESENCE_MS = 15_000;
const FAILURES_MS = 60_000;
const FAILURES_SHOWN = 5;

export function overviewView(desk) {
  const { api, live, signal, readiness } = desk;
  const verdict = verdictBox();
  const tiles = tileRow([
    ["online", "Users online", to("presence")],
    ["rate", "Notifications, last minute", to("log")],
    ["confirm", "95 % confirmed within", null],
    ["pending", "Waiting", to("log", { filters: { state: "pending" } })],
    ["overdue", "Overdue mails", to("log", { filters: { state: "pending" } })],
    ["failed", "Failed", to("log", { filters: { state: "failed" } })],
  ]);
  const problems = problemPlace();
  const failures = failuresTable();
  const parts = partsBox();
  const now = nowPart(desk, tiles);
  const figures = figuresPart(desk, { tiles, verdict });
  const element = el(
    "div",
    { class: "overview" },
    el("h1", { text: "Overview" }),
    verdict.element,
    tiles.element,
    problems.element,
    now.element,
    figures.element,
    el(
      "section",
      { class: "card", "aria-labelledby": "failures" },
      el("h2", { id: "failures", text: "Latest failures" }),
      failures.element,
    ),
    parts.element,
  );

  const renew = () => {
    verdict.show({ readiness: readiness.findings, away: live.away });
    parts.show(readiness.last);
    tiles.set(
      "overdue",
      readiness.last ? count(readiness.last.overdueMails) : "–",
      readiness.last?.overdueMails ? "bad" : "",
    );
  };
  readiness.addEventListener("change", renew, { signal });
  live.addEventListener("change", renew, { signal });
  renew();

  live.start({
    name: "presence",
    every: PRESENCE_MS,
    signal,
    work: async () => {
      const presence = await api.get("/admin/presence", { limit: "1" }, { signal });
      const of = presence.instances.length > 1 ? ` at ${many(presence.instances.length, "instance")}` : "";
      tiles.set("online", count(presence.totalOnline), "", `${many(presence.connections, "connection")}${of}`);
      verdict.show({ parted: !presence.complete });
      problems.clear();
    },
    failed: (error) => error.code && problems.show(error, "Who is online is not known"),
  });
  live.start({
    name: "failures",
    every: FAILURES_MS,
    signal,
    work: async () => {
      const page = await api.get(
        "/admin/notifications/logs",
        { state: "failed", limit: String(FAILURES_SHOWN) },
        { signal },
      );
      failures.update(page.items);
    },
  });
  return { element };
}

/** "All is well", or what is not, what that means and what to do. */
function verdictBox() {
  const title = el("p", { class: "verdict-title" });
  const list = el("ul", { class: "findings" });
  const element = el("section", { class: "verdict", role: "status", "aria-label": "How it is" }, title, list);
  const known = { readiness: [], away: null, parted: false, failed: 0, within: "" };
  return {
    element,
    show(news) {
      Object.assign(known, news);
      const findings = [...known.readiness];
      if (known.parted) {
        findings.push({
          level: "warn",
          text: "Who is online is this instance's only",
          todo: "The others cannot be asked just now: look at the bus.",
        });
      }
      if (known.failed) {
        findings.push({
          level: "warn",
          text: `${many(known.failed, "notification")} failed in ${known.within}`,
          todo: "Their mails were refused for good. Look at who they were for and why.",
          href: to("log", { filters: { state: "failed" } }),
        });
      }
      const bad = known.away || findings.some(({ level }) => level === "bad");
      element.className = `verdict ${bad ? "bad" : findings.length ? "warn" : "good"}`;
      setText(
        title,
        known.away
          ? "The server is away"
          : bad
            ? "Something is wrong"
            : findings.length
              ? "It works; something wants to be looked at"
              : "All is well",
      );
      reconcile(list, findings, {
        key: ({ text }) => text,
        create: ({ text, todo, href }) =>
          el(
            "li",
            {},
            el("strong", { text }),
            " ",
            el("span", { text: todo }),
            href ? el("span", {}, " ", el("a", { href, text: "Show them" })) : null,
          ),
      });
    },
  };
}

function tileRow(names) {
  const nodes = {};
  const element = el(
    "ul",
    { class: "tiles" },
    names.map(([name, label, href]) => {
      const value = el("span", { class: "value", text: "–" });
      const more = el("span", { class: "more", text: "\u00a0" });
      const inner = [el("span", { class: "label", text: label }), value, more];
      const tile = el("li", {}, href ? el("a", { class: "tile", href }, inner) : el("div", { class: "tile" }, inner));
      nodes[name] = { tile: tile.firstElementChild, value, more };
      return tile;
    }),
  );
  return {
    element,
    set(name, value, tone = "", more = "\u00a0") {
      setText(nodes[name].value, value);
      setText(nodes[name].more, more);
      nodes[name].tile.className = `tile ${tone}`;
    },
  };
}

function failuresTable() {
  return table({
    label: "Latest failures",
    empty: "Nothing that is kept has failed.",
    key: ({ id }) => id,
    open: ({ id }) => to("trail", { id }),
    columns: [
      {
        name: "Made",
        of: ({ createdAt }) => createdAt,
        render: ({ createdAt }) => timeElement(createdAt, { relative: true }),
      },
      {
        name: "User",
        of: ({ userId }) => userId,
        render: ({ userId }) => el("a", { href: to("user", { id: userId }), text: userId, dir: "auto" }),
      },
      {
        name: "Notification",
        of: ({ id }) => id,
        wide: true,
        render: ({ id, payload, type }) =>
          el("a", { href: to("trail", { id }), text: payload.title || type, dir: "auto" }),
      },
      { name: "Tries", of: ({ attempts }) => attempts },
      { name: "Error", of: ({ error }) => error ?? "", wide: true },
    ],
  });
}

/** How each part does, what waits and the memory. */
function partsBox() {
  const list = el("ul", { class: "parts" });
  const waiting = el("dl", { class: "facts" });
  const element = el(
    "section",
    { class: "card", "aria-labelledby": "parts" },
    el("h2", { id: "parts", text: "Parts of this instance" }),
    list,
    el("h3", { text: "What waits in it" }),
    waiting,
  );
  return {
    element,
    show(ready) {
      const states = ready ? Object.entries(ready.parts) : [];
      reconcile(list, states, {
        key: ([name]) => name,
        create: ([name]) =>
          el(
            "li",
            {},
            el("span", { class: "lamp", "aria-hidden": "true" }),
            el("div", {}, el("strong"), el("p", { text: `${PARTS[name]?.does ?? "A part of the server"}.` })),
          ),
        update: (node, [name, state]) => {
          node.className = state === "ok" ? "good" : "bad";
          setText(node.querySelector("strong"), `${PARTS[name]?.name ?? name}: ${state}`);
        },
      });
      const facts = !ready
        ? []
        : [
            ...Object.entries(ready.waiting).map(([name, number]) => [WAITING[name] ?? name, count(number)]),
            ["memory", bytes(ready.memory.resident)],
            ["of it presence", bytes(ready.memory.presence)],
          ];
      reconcile(waiting, facts, {
        key: ([name]) => name,
        create: ([name]) => el("div", {}, el("dt", { text: name }), el("dd")),
        update: (node, [, text]) => setText(node.lastElementChild, text),
      });
    },
  };
}
