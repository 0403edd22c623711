// Where the axes of a plot have their marks: round values from zero up, round times of the local day.

import { clock, day } from "./desk-time.js";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const PACES = [
  MINUTE,
  2 * MINUTE,
  5 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  HOUR,
  3 * HOUR,
  6 * HOUR,
  12 * HOUR,
  DAY,
  2 * DAY,
  7 * DAY,
];

/** Zero and three or four round values, of which the last is no smaller than `highest`. */
export function steps(highest) {
  const rough = highest / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((one) => one >= rough);
  const marks = [0];
  while (marks.at(-1) < highest) marks.push(Number((marks.at(-1) + step).toPrecision(6)));
  return marks;
}

/** Round times between two, at most so many, each with the text that tells it from its neighbours. */
export function timeTicks(from, to, most) {
  const pace = PACES.find((one) => (to - from) / one <= most) ?? PACES.at(-1);
  // Round in local time: days begin at midnight here, whatever UTC says.
  const shift = new Date(from).getTimezoneOffset() * MINUTE;
  const ticks = [];
  for (let at = Math.ceil((from - shift) / pace) * pace + shift; at <= to; at += pace) {
    ticks.push({ at, text: pace >= DAY ? day(at).slice(5) : clock(at).slice(0, 5) });
  }
  return ticks;
}
