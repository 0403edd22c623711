// Times as operators read them: local, twenty-four hours, UTC on hover, and how long ago, which goes on by itself.

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** How often "2 min ago" is looked at again. */
const TICK_MS = 5 * SECOND;

/** Clocks that differ by less are as good as the same: the server's is heard in whole seconds. */
const SKEW_MIN_MS = 3 * SECOND;
const HALF_SECOND = 500;

/** How far the server's clock is ahead of this computer's, in milliseconds. */
let ahead = 0;
let isKnown;

/** Comes with the first answer: before it nobody knows what time it is at the server. */
export const clockIsKnown = new Promise((resolve) => {
  isKnown = resolve;
});

/** Hears the server's time from an answer's `Date`. */
export function hear(date) {
  const differs = Date.parse(date) + HALF_SECOND - Date.now();
  if (Number.isFinite(differs)) ahead = Math.abs(differs) < SKEW_MIN_MS ? 0 : differs;
  isKnown();
}

/** The server's time, by which everything is counted: an operator's clock may be wrong. */
export const now = () => Date.now() + ahead;

/** What the server's clock showed when this computer's showed `at`. */
export const byServer = (at) => at + ahead;

/** How far the two differ, in milliseconds. */
export const skew = () => Math.abs(ahead);

const two = (number) => String(number).padStart(2, "0");

/** 21:04:09 */
export function clock(at) {
  const time = new Date(at);
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`;
}

/** 2026-11-21 */
export function day(at) {
  const time = new Date(at);
  return `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())}`;
}

/** The time of a day, with its date unless it is today's. */
export function local(at) {
  return day(at) === day(now()) ? clock(at) : `${day(at)} ${clock(at)}`;
}

/** 2026-11-21 20:04:09.123 UTC */
export function utc(at) {
  return `${new Date(at).toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

/** 12 s ago, 3 min ago, in 5 min */
export function ago(at) {
  const passed = now() - new Date(at).getTime();
  const length = Math.abs(passed);
  if (length < 2 * SECOND) return "now";
  const text = rough(length);
  return passed >= 0 ? `${text} ago` : `in ${text}`;
}

function rough(length) {
  if (length < MINUTE) return `${Math.floor(length / SECOND)} s`;
  if (length < HOUR) return `${Math.floor(length / MINUTE)} min`;
  if (length < 2 * DAY) return `${Math.floor(length / HOUR)} h`;
  return `${Math.floor(length / DAY)} days`;
}

/** How long something took: 0.4 ms, 12 ms, 3.2 s, 2 min 5 s, 3 h 2 min */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms < 10) return `${Number(ms.toFixed(1))} ms`;
  if (ms < SECOND) return `${Math.round(ms)} ms`;
  if (ms < 10 * SECOND) return `${(ms / SECOND).toFixed(1)} s`;
  if (ms < MINUTE) return `${Math.round(ms / SECOND)} s`;
  if (ms < HOUR) return pair(ms, MINUTE, "min", SECOND, "s");
  if (ms < DAY) return pair(ms, HOUR, "h", MINUTE, "min");
  return pair(ms, DAY, "d", HOUR, "h");
}

function pair(ms, large, largeUnit, small, smallUnit) {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${largeUnit}${rest ? ` ${rest} ${smallUnit}` : ""}`;
}

/** A `<time>`; with `relative` it says how long ago, and goes on saying it. */
export function timeElement(at, { relative = false } = {}) {
  const node = document.createElement("time");
  node.dateTime = new Date(at).toISOString();
  node.title = `${local(at)} here, ${utc(at)}`;
  if (relative) node.dataset.ago = "";
  node.textContent = relative ? ago(at) : local(at);
  return node;
}

/** Has every relative time on the page go on. */
export function keepTimesGoing() {
  setInterval(() => {
    if (document.hidden) return;
    for (const node of document.querySelectorAll("time[data-ago]")) {
      const text = ago(node.dateTime);
      if (node.textContent !== text) node.textContent = text;
    }
  }, TICK_MS);
}

/** What a `datetime-local` field holds, as the API takes it; an empty text for none. */
export function fromField(value) {
  const time = value ? new Date(value) : null;
  return time && !Number.isNaN(time.getTime()) ? time.toISOString() : "";
}

/** The other way round. */
export function toField(iso) {
  const time = iso ? new Date(iso) : null;
  if (!time || Number.isNaN(time.getTime())) return "";
  return `${day(time)}T${clock(time)}`;
}
