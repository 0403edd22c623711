// The audit: who saw what and when, on which device, and what administrators did and looked at. Looks that follow one
// another are folded into one row, because desks look all the time.

import { badge, el, setText } from "./desk-dom.js";
import { filterForm } from "./desk-filters.js";
import { problemPlace } from "./desk-notices.js";
import { isUuid, to } from "./desk-route.js";
import { table } from "./desk-table.js";
import { clock, now, timeElement } from "./desk-time.js";
import { DEEDS, STEPS, STEP_WORDS, channelName, many } from "./desk-words.js";

/** As many as there can be: most are looks, which are folded. */
const PAGE = 200;
const SHOWN_MAX = 1_000;
/** How a page was cut says nothing of what was looked for. */
const UNTOLD = ["limit", "cursor"];

export function auditView({ api, signal }) {
  const problems = problemPlace();
  const form = filterForm("audit", [
    { name: "actor", label: "Who did it", type: "search", maxlength: 128 },
    { name: "action", label: "Deed", options: Object.entries(DEEDS).map(([name, { text }]) => [name, text]) },
    { name: "userId", label: "User it went to", type: "search", maxlength: 128 },
    { name: "step", label: "Step", options: STEPS },
    { name: "notificationId", label: "Notification", type: "search", maxlength: 36 },
    { name: "target", label: "Target of a deed", type: "search", maxlength: 200 },
    { name: "from", label: "From", type: "datetime-local" },
    { name: "to", label: "Until", type: "datetime-local" },
  ]);
  const refresh = el("button", { type: "button", class: "quiet", text: "Look again" });
  form.add(refresh);
  const list = auditTable();
  const foot = el("p", { class: "hint" });
  const more = el("button", { type: "button", text: "Load more", hidden: true });
  const element = el(
    "div",
    {},
    el("h1", { text: "Audit" }),
    el("p", { class: "lead", text: "Reading this is in the audit as well, so it is not renewed by itself." }),
    form.element,
    problems.element,
    list.element,
    el("div", { class: "row" }, more, foot),
  );
  const state = { filters: {}, entries: [], next: null, turn: 0 };

  async function load(cursor) {
    const turn = ++state.turn;
    element.setAttribute("aria-busy", "true");
    try {
      const page = await api.get("/admin/audit", { ...state.filters, limit: String(PAGE), cursor }, { signal });
      if (turn !== state.turn) return;
      problems.clear();
      state.entries = cursor ? [...state.entries, ...page.items] : page.items;
      state.next = page.nextCursor;
      draw();
    } catch (error) {
      if (!signal.aborted) problems.show(error, "The audit could not be had");
    } finally {
      element.removeAttribute("aria-busy");
    }
  }

  function draw() {
    list.says(
      state.next
        ? "Nothing so far: what is seldom is looked for a stretch at a time."
        : "Nothing that is kept fits these filters.",
    );
    list.update(fold(state.entries));
    const isFull = state.entries.length >= SHOWN_MAX;
    more.hidden = !state.next || isFull;
    setText(more, state.entries.length ? "Load more" : "Look further back");
    setText(
      foot,
      isFull
        ? `The newest ${SHOWN_MAX} are shown; narrow the filters to see older ones.`
        : `${many(state.entries.length, "entry", "entries")}, read at ${clock(now())}.`,
    );
  }

  more.addEventListener("click", () => load(state.next));
  refresh.addEventListener("click", () => load());
  return {
    element,
    open({ filters }) {
      state.filters = filters;
      form.fill(filters);
      load();
    },
  };
}

/** Looks of one person that follow one another are one row; everything else is itself. */
function fold(entries) {
  const rows = [];
  for (const entry of entries) {
    const last = rows.at(-1);
    if (isLook(entry) && last && isLook(last) && last.actor === entry.actor) {
      last.looks.set(entry.action, (last.looks.get(entry.action) ?? 0) + 1);
      last.oldest = entry.at;
      continue;
    }
    rows.push({ ...entry, looks: new Map(isLook(entry) ? [[entry.action, 1]] : []), oldest: entry.at });
  }
  const seen = new Map();
  return rows.map((row) => {
    // Counted from the end, where rows are added, names would change: time, subject and turn do not.
    const base = [row.at, row.actor, row.action ?? row.step, row.notificationId ?? row.target ?? ""].join(" ");
    seen.set(base, (seen.get(base) ?? 0) + 1);
    return { ...row, key: `${base} ${seen.get(base)}` };
  });
}

const isLook = ({ kind, action }) => kind === "deed" && DEEDS[action]?.look === true;

function auditTable() {
  return table({
    label: "The audit, newest first",
    empty: "",
    key: ({ key }) => key,
    columns: [
      { name: "When", of: ({ at, oldest }) => [at, oldest], render: when },
      {
        name: "Who",
        of: ({ actor }) => actor,
        render: ({ actor }) =>
          actor
            ? el("a", { href: to("user", { id: actor }), text: actor, dir: "auto" })
            : el("span", { class: "soft", text: "the server" }),
      },
      { name: "What", wide: true, of: ({ looks, action, step }) => [[...looks], action, step], render: what },
      {
        name: "Of",
        of: ({ userId, notificationId, target, looks }) => [userId, notificationId, target, looks.size],
        render: subject,
      },
      { name: "Device", wide: true, of: ({ device }) => device ?? "" },
      { name: "More", wide: true, of: ({ channel, error, detail, looks }) => moreOf(channel, error, detail, looks) },
    ],
  });
}

function when({ at, oldest }) {
  return at === oldest ? timeElement(at) : el("span", {}, timeElement(at), " back to ", timeElement(oldest));
}

function what({ kind, action, step, looks }) {
  if (kind === "receipt") {
    const { tone, text } = STEP_WORDS[step] ?? { tone: "plain", text: step };
    return badge(text, tone);
  }
  const total = [...looks.values()].reduce((sum, number) => sum + number, 0);
  if (total > 1) {
    const parts = [...looks].map(([name, number]) => `${DEEDS[name].text}${number > 1 ? ` ${number} times` : ""}`);
    return el("span", { class: "soft", text: parts.join(", ") });
  }
  const deed = DEEDS[action];
  return el(deed?.look ? "span" : "strong", { class: deed?.look ? "soft" : null, text: deed?.text ?? action });
}

function subject({ kind, userId, notificationId, target, action, looks }) {
  const total = [...looks.values()].reduce((sum, number) => sum + number, 0);
  if (total > 1) return null;
  if (kind === "receipt") {
    return el(
      "span",
      {},
      el("a", { href: to("trail", { id: notificationId }), text: "notification" }),
      " of ",
      el("a", { href: to("user", { id: userId }), text: userId, dir: "auto" }),
    );
  }
  if (!target) return null;
  if (action === "read_trail" && isUuid(target))
    return el("a", { href: to("trail", { id: target }), text: "a notification" });
  if (action === "disconnect" || action.startsWith("revoke"))
    return el("a", { href: to("user", { id: target }), text: target, dir: "auto" });
  return el("bdi", { text: target });
}

function moreOf(channel, error, detail, looks) {
  if (looks.size > 1) return "";
  const said = Object.entries(detail ?? {})
    .filter(([name]) => !UNTOLD.includes(name))
    .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
  return [channelName(channel), error, ...said].filter(Boolean).join(" · ");
}
