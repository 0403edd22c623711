// The figures of a day, a week or a month: how many by hour, what became of them, by type and channel, and how long
// things took.

import { el, reconcile, setText } from "./desk-dom.js";
import { problemPlace } from "./desk-notices.js";
import { plot } from "./desk-plot.js";
import { to } from "./desk-route.js";
import { clock, clockIsKnown, duration, local, now } from "./desk-time.js";
import { STATES, channelName, count } from "./desk-words.js";

/** Counting a busy month takes seconds: the longer it takes, the less often it is asked for. */
const EVERY_MS = 20_000;
const EVERY_MAX_MS = 120_000;
const REST_FACTOR = 20;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const RANGES = {
  "24h": { label: "24 hours", span: DAY_MS, step: HOUR_MS },
  "7d": { label: "7 days", span: 7 * DAY_MS, step: HOUR_MS },
  "31d": { label: "31 days", span: 31 * DAY_MS, step: DAY_MS },
};
const TYPES_SHOWN = 8;
const TIMES = { delivery: "Delivered", confirmation: "Confirmed by a device", mail: "Mailed", reading: "Read" };

export function figuresPart({ api, live, signal }, { tiles, verdict }) {
  const range = rangeChoice();
  const asOf = el("p", { class: "hint" });
  const problems = problemPlace();
  const hours = plot({
    title: "Notifications by hour",
    kind: "bars",
    least: 4,
    empty: "No notifications in this time",
    format: count,
    series: [{ name: "notifications", tone: "one" }],
  });
  const states = bars("By state", (name) =>
    to("log", { filters: { state: name in STATES ? name : "", from: from() } }),
  );
  const types = bars("By type", (name) => to("log", { filters: { type: name, from: from() } }));
  const channels = bars("By channel that reached its user", (name) =>
    to("log", { filters: { channel: name, from: from() } }),
  );
  const times = timesTable();
  const element = el(
    "section",
    { class: "card", "aria-labelledby": "figures" },
    el("div", { class: "row between" }, el("h2", { id: "figures", text: "What became of them" }), range.element),
    problems.element,
    hours.element,
    el("div", { class: "breakdowns" }, states.element, types.element, channels.element),
    times.element,
    asOf,
  );

  const from = () => new Date(now() - RANGES[range.chosen()].span).toISOString();

  const task = live.start({
    name: "figures",
    every: EVERY_MS,
    signal,
    work: async () => {
      const { label, span, step } = RANGES[range.chosen()];
      await clockIsKnown;
      const until = now();
      const begun = performance.now();
      const stats = await api.stats(
        { from: new Date(until - span).toISOString(), to: new Date(until).toISOString() },
        { signal },
      );
      task.pace(Math.min(EVERY_MAX_MS, Math.max(EVERY_MS, (performance.now() - begun) * REST_FACTOR)));
      problems.clear();
      const { pending = 0, failed = 0 } = stats.byState;
      tiles.set("pending", count(pending), "", `of the last ${label}`);
      tiles.set("failed", count(failed), failed ? "warn" : "", `of the last ${label}`);
      verdict.show({ failed, within: `the last ${label}` });
      hours.show(byStep(stats, until - span, until, step));
      states.show(Object.entries(stats.byState).sort(order(Object.keys(STATES))));
      types.show(busiest(stats.byType, stats.otherTypes));
      channels.show(
        Object.entries(stats.byChannel).sort(([, one], [, other]) => other - one),
        channelName,
      );
      times.show(stats);
      setText(
        asOf,
        stats.complete
          ? `${count(stats.total)} in the last ${label}, counted at ${clock(until)}.`
          : `The newest ${count(stats.total)} only, back to ${local(stats.countedFrom)}; counted at ${clock(until)}.`,
      );
    },
    failed: (error) =>
      error.code && error.code !== "overloaded" && problems.show(error, "The figures could not be had"),
  });
  range.listen(() => task.now());
  return { element };
}

const order =
  (names) =>
  ([one], [other]) =>
    names.indexOf(one) - names.indexOf(other);

function busiest(byType, others) {
  const sorted = Object.entries(byType).sort(([, one], [, other]) => other - one);
  const rest = sorted.slice(TYPES_SHOWN).reduce((sum, [, number]) => sum + number, others);
  const shown = sorted.slice(0, TYPES_SHOWN);
  return rest ? [...shown, ["all others", rest]] : shown;
}

/** Every step of the time, also those in which there was nothing. */
function byStep(stats, from, to, step) {
  // Days are those of here; hours begin at the same time nearly everywhere.
  const shift = step === DAY_MS ? new Date(from).getTimezoneOffset() * 60_000 : 0;
  const floor = (at) => Math.floor((at - shift) / step) * step + shift;
  const counts = new Map();
  for (let at = floor(from); at <= to; at += step) counts.set(at, 0);
  for (const { hour, count: number } of stats.byHour) {
    const at = floor(Date.parse(hour));
    if (counts.has(at)) counts.set(at, counts.get(at) + number);
  }
  const points = stats.total ? [...counts].map(([at, number]) => ({ at, values: [number] })) : [];
  return { from: floor(from), to: floor(to) + step, step, points };
}

function rangeChoice() {
  const radios = Object.entries(RANGES).map(([name, { label }], index) =>
    el(
      "label",
      { class: "choice" },
      el("input", { type: "radio", name: "range", value: name, checked: index === 0 }),
      el("span", { text: label }),
    ),
  );
  const element = el(
    "fieldset",
    { class: "choices" },
    el("legend", { class: "hidden", text: "Stretch of time" }),
    radios,
  );
  return {
    element,
    chosen: () => element.querySelector("input:checked").value,
    listen: (heard) => element.addEventListener("change", heard),
  };
}

/** Names with a bar and a figure each, which lead to the log. */
function bars(title, href) {
  const list = el("ul", { class: "bars" });
  const empty = el("p", { class: "empty", text: "None in this time.", hidden: true });
  const element = el("div", {}, el("h3", { text: title }), list, empty);
  return {
    element,
    show(entries, label = (name) => name) {
      const most = Math.max(1, ...entries.map(([, number]) => number));
      empty.hidden = entries.length > 0;
      reconcile(list, entries, {
        key: ([name]) => name,
        create: ([name]) => {
          const tone = STATES[name]?.tone ?? "";
          const text = el(name === "all others" ? "span" : "a", {
            class: "name",
            text: label(name),
            title: STATES[name]?.means ?? null,
          });
          return el(
            "li",
            { class: tone },
            text,
            el("span", { class: "track", "aria-hidden": "true" }, el("span")),
            el("span", { class: "figure" }),
          );
        },
        update: (node, [name, number]) => {
          const [text, track, figure] = node.children;
          if (text.href !== undefined) text.href = href(name);
          track.firstElementChild.style.inlineSize = `${Math.max(1, (number / most) * 100)}%`;
          setText(figure, count(number));
        },
      });
    },
  };
}

function timesTable() {
  const names = ["count", "p50", "p90", "p95", "p99", "max"];
  const rows = Object.fromEntries(
    Object.entries(TIMES).map(([name, label]) => [
      name,
      el(
        "tr",
        {},
        el("th", { scope: "row", text: label }),
        names.map(() => el("td", { class: "number" })),
      ),
    ]),
  );
  const heads = ["", "How many", "50 %", "90 %", "95 %", "99 %", "Longest"];
  const grid = el(
    "table",
    {},
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        heads.map((text) => (text ? el("th", { scope: "col", class: "number", text }) : el("td"))),
      ),
    ),
    el("tbody", {}, Object.values(rows)),
  );
  return {
    element: el(
      "div",
      {},
      el("h3", { text: "How long that took" }),
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "How long that took" }, grid),
    ),
    show(stats) {
      for (const [name, row] of Object.entries(rows)) {
        names.forEach((part, index) => {
          const value = stats[name][part];
          setText(row.children[index + 1], part === "count" ? count(value) : duration(value));
        });
      }
    },
  };
}
