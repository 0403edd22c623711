// The last ten minutes: how many notifications a minute, and how long devices take to confirm. Both are the server's
// figures of one minute, asked for every few seconds, and to begin with once for each of the minutes before.

import { el } from "./desk-dom.js";
import { plot } from "./desk-plot.js";
import { clockIsKnown, duration, local, now } from "./desk-time.js";
import { count } from "./desk-words.js";

const EVERY_MS = 15_000;
const MINUTE_MS = 60_000;
const SPAN_MS = 10 * MINUTE_MS;
const BEFORE = SPAN_MS / MINUTE_MS - 1;

export function nowPart({ api, live, signal }, tiles) {
  const rate = plot({
    title: "Notifications a minute",
    kind: "line",
    least: 4,
    empty: "No notifications in these ten minutes",
    format: (value) => count(Math.round(value * 10) / 10),
    series: [{ name: "notifications", tone: "one" }],
  });
  const latency = plot({
    title: "Time until a device confirmed",
    kind: "line",
    least: 10,
    empty: "Nothing was confirmed in these ten minutes",
    format: duration,
    series: [
      { name: "95 %", tone: "two" },
      { name: "50 %", tone: "one" },
    ],
  });
  const element = el(
    "section",
    { class: "card", "aria-labelledby": "now" },
    el("h2", { id: "now", text: "The last ten minutes" }),
    el("div", { class: "plots" }, rate.element, latency.element),
  );
  let points = [];
  let before = 0;

  function draw(until) {
    points = points.filter(({ at }) => at >= until - SPAN_MS);
    const axis = { from: until - SPAN_MS, to: until };
    rate.show({ ...axis, points: points.map(({ at, total }) => ({ at, values: [total] })) });
    const timed = points.some(({ p95 }) => p95 !== null);
    latency.show({ ...axis, points: timed ? points.map(({ at, p50, p95 }) => ({ at, values: [p95, p50] })) : [] });
  }

  live.start({
    name: "now",
    every: EVERY_MS,
    signal,
    work: async () => {
      await clockIsKnown;
      const at = now();
      const point = await minuteUntil(at, api, signal);
      points.push(point);
      const { total, p50, p95 } = point;
      tiles.set("rate", count(total), "", `as of ${local(at)}`);
      tiles.set(
        "confirm",
        duration(p95),
        "",
        p95 === null ? "none in the last minute" : `half within ${duration(p50)}`,
      );
      draw(at);
      // What was not had now is had the next time.
      for (; before < BEFORE; before += 1) {
        const oldest = Math.min(...points.map(({ at }) => at));
        points.unshift(await minuteUntil(oldest - MINUTE_MS, api, signal));
        draw(at);
      }
    },
  });
  return { element };
}

async function minuteUntil(at, api, signal) {
  const stats = await api.stats(
    { from: new Date(at - MINUTE_MS).toISOString(), to: new Date(at).toISOString() },
    { signal },
  );
  const { p50, p95 } = stats.confirmation;
  return { at, total: stats.total, p50, p95 };
}
