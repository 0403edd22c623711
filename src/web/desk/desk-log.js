// The log: every notification and what became of it, newest first, filtered by the address, going on by itself while
// one is at its beginning and holding still while one reads.

import { badge, el, setText } from "./desk-dom.js";
import { filterForm } from "./desk-filters.js";
import { announce, problemPlace } from "./desk-notices.js";
import { parse, to } from "./desk-route.js";
import { table } from "./desk-table.js";
import { duration, now, timeElement } from "./desk-time.js";
import { CHANNELS, STATES, channelName, many } from "./desk-words.js";

const EVERY_MS = 5_000;
const PAGE = 50;
const SHOWN_MAX = 500;
const TYPES = [
  "booking.created",
  "booking.accepted",
  "booking.reminder",
  "booking.completed",
  "booking.cancelled",
  "review.created",
  "nearby-job",
  "system.maintenance",
];
const QUICK = [
  ["15 minutes", 15],
  ["Hour", 60],
  ["Day", 24 * 60],
];

export function logView(desk) {
  const { api, live, signal } = desk;
  const problems = problemPlace();
  const form = filterForm("log", [
    { name: "userId", label: "User id", type: "search", maxlength: 128 },
    { name: "state", label: "State", options: Object.keys(STATES) },
    { name: "channel", label: "Channel", options: CHANNELS.map((name) => [name, channelName(name)]) },
    { name: "type", label: "Type", type: "search", maxlength: 64, list: TYPES },
    { name: "category", label: "Category", type: "search", maxlength: 40 },
    { name: "from", label: "From", type: "datetime-local" },
    { name: "to", label: "Until", type: "datetime-local" },
  ]);
  form.add(
    ...QUICK.map(([text, minutes]) =>
      el("button", {
        type: "button",
        class: "quiet",
        text: `Last ${text.toLowerCase()}`,
        onclick: () => since(minutes),
      }),
    ),
    el("button", { type: "button", class: "quiet", text: "Copy link", onclick: copyLink }),
  );
  const fresh = el("button", { type: "button", class: "fresh", hidden: true });
  const list = logTable();
  const foot = el("p", { class: "hint" });
  const more = el("button", { type: "button", text: "Load more" });
  const element = el(
    "div",
    {},
    el("h1", { text: "Log" }),
    form.element,
    problems.element,
    fresh,
    list.element,
    el("div", { class: "row" }, more, foot),
  );
  const state = { filters: {}, items: [], held: [], next: null, task: null, turn: 0 };

  /** The newest page: what is known is renewed where it stands, what is new comes on top or waits to be let in. */
  async function renew() {
    const turn = state.turn;
    const page = await api.get("/admin/notifications/logs", { ...state.filters, limit: String(PAGE) }, { signal });
    if (turn !== state.turn) return;
    problems.clear();
    const begins = state.items.length === 0;
    const known = new Set(state.items.map(({ id }) => id));
    const renewed = new Map(page.items.map((item) => [item.id, item]));
    state.items = state.items.map((item) => renewed.get(item.id) ?? item);
    const unknown = page.items.filter(({ id }) => !known.has(id));
    if (begins) {
      state.items = page.items;
      state.next = page.nextCursor;
    } else if (unknown.length === PAGE && page.nextCursor) {
      // So much came that there may be a hole: begin anew rather than show one.
      state.held = unknown;
      if (!list.isInUse) restart(page);
    } else state.held = unknown;
    if (!list.isInUse) letIn();
    draw();
  }

  function restart(page) {
    Object.assign(state, { items: page.items, held: [], next: page.nextCursor });
  }

  function letIn() {
    state.items = [...state.held, ...state.items].slice(0, SHOWN_MAX);
    state.held = [];
  }

  function draw() {
    list.says(emptyText(state));
    list.update(state.items);
    fresh.hidden = state.held.length === 0;
    setText(fresh, `Show ${many(state.held.length, "new notification")}`);
    const isFull = state.items.length >= SHOWN_MAX;
    more.hidden = !state.next || isFull;
    setText(more, state.items.length ? "Load more" : "Look further back");
    setText(
      foot,
      isFull
        ? `The newest ${SHOWN_MAX} are shown; narrow the filters to see older ones.`
        : state.items.length && !state.next
          ? `${many(state.items.length, "notification")}; there are no older ones.`
          : "",
    );
  }

  async function older() {
    const turn = state.turn;
    try {
      const page = await api.get(
        "/admin/notifications/logs",
        { ...state.filters, limit: String(PAGE), cursor: state.next },
        { signal },
      );
      if (turn !== state.turn) return;
      const known = new Set(state.items.map(({ id }) => id));
      const added = page.items.filter(({ id }) => !known.has(id));
      state.items = [...state.items, ...added].slice(0, SHOWN_MAX);
      state.next = page.nextCursor;
      draw();
      announce(
        added.length
          ? `${many(added.length, "older notification")} loaded.`
          : "Nothing that fits in that stretch; look further back.",
        "plain",
      );
    } catch (error) {
      if (!signal.aborted) problems.show(error, "Older ones could not be loaded");
    }
  }

  function since(minutes) {
    const from = new Date(now() - minutes * 60_000).toISOString();
    location.hash = to("log", { filters: { ...parse(location.hash).filters, from, to: "" } });
  }

  fresh.addEventListener("click", () => {
    state.items = [];
    state.held = [];
    state.task.now();
    scrollTo({ top: 0 });
    list.scroller.focus({ preventScroll: true });
  });
  more.addEventListener("click", older);

  return {
    element,
    open({ filters }) {
      Object.assign(state, { filters, items: [], held: [], next: null, turn: state.turn + 1 });
      form.fill(filters);
      if (state.task) return state.task.now();
      state.task = live.start({
        name: "log",
        every: EVERY_MS,
        signal,
        work: renew,
        failed: (error) => error.code && problems.show(error, "The log could not be had"),
      });
    },
  };
}

async function copyLink() {
  try {
    await navigator.clipboard.writeText(location.href);
    announce("Copied the link to this view. Whoever opens it signs in with a token of their own.");
  } catch {
    announce("The browser does not let this page copy: the address above is the link.", "warn");
  }
}

function emptyText({ filters, next }) {
  if (next) return "Nothing so far: what is seldom is looked for a stretch at a time.";
  return Object.keys(filters).length
    ? "Nothing that is kept fits these filters."
    : "No notification yet. The first appears here by itself.";
}

/** The columns of notifications, for other views as well. */
export function logTable({ label = "Notifications, newest first", withUser = true } = {}) {
  const columns = [
    { name: "Made", of: ({ createdAt }) => createdAt, render: ({ createdAt }) => timeElement(createdAt) },
    withUser && {
      name: "User",
      of: ({ userId }) => userId,
      render: ({ userId }) => el("a", { href: to("user", { id: userId }), text: userId, dir: "auto" }),
    },
    { name: "Notification", wide: true, main: true, of: ({ id }) => id, render: said },
    { name: "Type", of: ({ type }) => type },
    { name: "State", of: ({ state, readAt }) => [state, Boolean(readAt)], render: stateCell },
    { name: "By", of: ({ channel }) => channelName(channel) },
    { name: "Took", of: ({ deliveredAt }) => deliveredAt, render: took },
    { name: "Trouble", wide: true, of: ({ error, attempts }) => [error, attempts], render: trouble },
  ];
  return table({
    label,
    empty: "No notifications.",
    key: ({ id }) => id,
    open: ({ id }) => to("trail", { id }),
    compact: true,
    columns: columns.filter(Boolean),
  });
}

function said({ id, payload, type }) {
  return el(
    "div",
    {},
    el("a", { href: to("trail", { id }), text: payload.title || type, dir: "auto" }),
    payload.message
      ? el("div", { class: "message", title: payload.message }, el("bdi", { text: payload.message }))
      : null,
  );
}

function stateCell({ state, readAt }) {
  const known = STATES[state];
  const mark = badge(state ?? "unknown", known?.tone);
  mark.title = known?.means ?? "Nothing is kept of its delivery";
  return el("span", { class: "states" }, mark, readAt ? badge("read", "plain") : null);
}

function took({ createdAt, deliveredAt }) {
  return deliveredAt ? duration(Math.max(0, Date.parse(deliveredAt) - Date.parse(createdAt))) : "";
}

function trouble({ error, attempts }) {
  const tries = attempts > 1 || error ? `${many(attempts, "try", "tries")}` : "";
  return [error, tries].filter(Boolean).join(" · ");
}
