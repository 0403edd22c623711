// The last ten minutes: how many notifications a minute, and how long devices take to confirm. Filled from the log to
// begin with, then from the figures of the last minute, asked for every few seconds.

import { el } from "./desk-dom.js";
import { plot } from "./desk-plot.js";
import { duration, local } from "./desk-time.js";
import { count } from "./desk-words.js";

const EVERY_MS = 10_000;
const MINUTE_MS = 60_000;
const SPAN_MS = 10 * MINUTE_MS;
/** The most of the log that a page can hold. */
const LOGGED_MAX = 200;

export function nowPart({ api, live, signal }, tiles) {
  const rate = plot({
    title: "Notifications a minute", kind: "line", least: 4, empty: "The first figures are being gathered",
    format: (value) => count(Math.round(value * 10) / 10), series: [{ name: "notifications", tone: "one" }],
  });
  const latency = plot({
    title: "Time until a device confirmed", kind: "line", least: 10, empty: "Nothing was confirmed in these ten minutes",
    format: duration, series: [{ name: "95 %", tone: "two" }, { name: "half", tone: "one" }],
  });
  const element = el("section", { class: "card", "aria-labelledby": "now" },
    el("h2", { id: "now", text: "The last ten minutes" }), el("div", { class: "plots" }, rate.element, latency.element));
  let points = [];
  let begun = false;

  function draw(now) {
    points = points.filter(({ at }) => at >= now - SPAN_MS);
    const axis = { from: now - SPAN_MS, to: now };
    rate.show({ ...axis, points: points.map(({ at, total }) => ({ at, values: [total] })) });
    const timed = points.some(({ p95 }) => p95 !== null);
    latency.show({ ...axis, points: timed ? points.map(({ at, p50, p95 }) => ({ at, values: [p95, p50] })) : [] });
  }

  live.start({
    name: "now", every: EVERY_MS, signal,
    work: async () => {
      const now = Date.now();
      if (!begun) points = await before(api, now, signal);
      begun = true;
      const stats = await api.stats({ from: new Date(now - MINUTE_MS).toISOString(), to: new Date(now).toISOString() }, { signal });
      const { p50, p95 } = stats.confirmation;
      points.push({ at: now, total: stats.total, p50, p95 });
      tiles.set("rate", count(stats.total), "", `as of ${local(now)}`);
      tiles.set("confirm", duration(p95), "", p95 === null ? "none in the last minute" : `half within ${duration(p50)}`);
      draw(now);
    },
  });
  return { element };
}

/** The same figures of the minutes before, as far as a page of the log reaches back. */
async function before(api, now, signal) {
  const begin = now - SPAN_MS - MINUTE_MS;
  const page = await api.get("/admin/notifications/logs",
    { from: new Date(begin).toISOString(), limit: String(LOGGED_MAX) }, { signal });
  const logged = page.items.map(({ createdAt, deliveredAt, state }) => {
    const at = Date.parse(createdAt);
    return { at, took: state === "confirmed" && deliveredAt ? Math.max(0, Date.parse(deliveredAt) - at) : null };
  });
  const reaches = page.nextCursor && logged.length ? Math.min(...logged.map(({ at }) => at)) : begin;
  const points = [];
  for (let at = now - SPAN_MS; at < now - EVERY_MS / 2; at += EVERY_MS) {
    if (at - MINUTE_MS >= reaches) points.push(pointAt(at, logged));
  }
  return points;
}

function pointAt(at, logged) {
  const inside = logged.filter((one) => one.at > at - MINUTE_MS && one.at <= at);
  const took = inside.map((one) => one.took).filter((one) => one !== null).sort((one, other) => one - other);
  const rank = (share) => took[Math.max(0, Math.ceil(took.length * share) - 1)] ?? null;
  return { at, total: inside.length, p50: rank(0.5), p95: rank(0.95) };
}
