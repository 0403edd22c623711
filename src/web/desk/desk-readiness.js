// Whether all is well, asked of /ready every few seconds in every view: which needs no token and leaves nothing in
// the audit. What is wrong becomes findings: what it is, what it means, what to do.

import { Away, Problem } from "./desk-api.js";
import { duration, skew } from "./desk-time.js";
import { PARTS, many } from "./desk-words.js";

const EVERY_MS = 3_000;
/** The server counts no further. */
const OVERDUE_MAX = 1_000;

const REFUSALS = {
  draining: {
    text: "This instance is stopping",
    todo: "It is being restarted or stopped: others take over, and its clients come back by themselves.",
  },
  database_unavailable: {
    text: "The database is not available",
    todo:
      "Look at the database first. Bookings are refused with 503 until it is back; connections stay, and nothing " +
      "that was accepted is lost.",
  },
};

export function watchReadiness({ api, live }) {
  return new Readiness(api, live);
}

class Readiness extends EventTarget {
  #control = new AbortController();
  /** What /ready said last; null until then and while it refuses. */
  last = null;
  /** @type {{level: "bad"|"warn", text: string, todo: string, href?: string}[]} */
  findings = [];

  constructor(api, live) {
    super();
    const { signal } = this.#control;
    live.start({
      name: "readiness",
      every: EVERY_MS,
      signal,
      work: async () => {
        try {
          this.#take(await api.get("/ready", {}, { signal, token: null }));
        } catch (error) {
          if (!(error instanceof Problem)) throw error;
          this.#refused(error);
        }
      },
      failed: (error) => error instanceof Away && this.dispatchEvent(new Event("change")),
    });
  }

  stop() {
    this.#control.abort();
  }

  #take(ready) {
    this.last = ready;
    this.findings = findingsOf(ready);
    this.dispatchEvent(new Event("change"));
  }

  #refused(problem) {
    const known = REFUSALS[problem.code] ?? { text: problem.detail, todo: "Look at the server's log." };
    this.last = null;
    this.findings = [{ level: "bad", ...known }];
    this.dispatchEvent(new Event("change"));
  }
}

/** An operator whose clock is so far off may misread what others say about times. */
const SKEW_TOLD_MS = 30_000;

/** In whole minutes: what changes all the time is read out all the time. */
const roughly = (ms) => duration(Math.round(ms / 60_000) * 60_000);

/** What is wrong by /ready alone, and by the clock that it was heard with. */
function findingsOf({ parts, overdueMails }) {
  const findings = Object.entries(parts)
    .filter(([, state]) => state !== "ok")
    .map(([name]) => {
      const part = PARTS[name] ?? { name, broken: "it is degraded", todo: "Look at the server's log." };
      return { level: "bad", text: `${part.name}: ${part.broken}`, todo: part.todo, href: part.href };
    });
  if (overdueMails > 0) {
    const figure =
      overdueMails >= OVERDUE_MAX
        ? `${OVERDUE_MAX} or more mails are`
        : `${many(overdueMails, "mail")} ${overdueMails === 1 ? "is" : "are"}`;
    findings.push({
      level: "bad",
      text: `${figure} overdue`,
      href: "#/log?state=pending",
      todo: "Their deadline has passed and nobody has sent them. Look at those that are pending.",
    });
  }
  if (skew() > SKEW_TOLD_MS) {
    findings.push({
      level: "warn",
      text: `This computer's clock and the server's are ${roughly(skew())} apart`,
      todo: "Times here are the server's. One of the two clocks is wrong: tokens and deadlines go by the server's.",
    });
  }
  return findings;
}
