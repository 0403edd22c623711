// What just happened, step by step. Each figure is measured by this page or taken from the server's own record of the
// notification, its trail, which is asked until the delivery has come to an end.

import { trailOf } from "./demo-api.js";
import { make } from "./bell-dom.js";

// Often at first, as a phone confirms within milliseconds; for longer than mail may take after the deadline.
const ASK_AFTER_MS = [40, 80, 150, 300, 500, 800];
const ASK_FOR_MS = 60_000;

const ENDS = {
  emailed: (ms) => [
    "good",
    `Mail written ${ms} after the booking was kept`,
    "No device had confirmed it. The mail is shown on this page.",
  ],
  suppressed: () => [
    "warn",
    "No mail",
    "Demo host’s preferences do not want mail for bookings, or there is no address.",
  ],
  withdrawn: () => ["plain", "Withdrawn", "The booking was cancelled before anybody was told, so that nobody is."],
  failed: () => ["bad", "The mail was refused", "The desk shows why."],
};

export class Steps {
  /** @param {{ mailed: () => void, phoneIsOn: () => boolean }} told */
  constructor(list, nothing, told) {
    this.list = list;
    this.nothing = nothing;
    this.told = told;
    this.current = null;
  }

  /** A new story begins: what was said of the last one goes. */
  begin() {
    this.nothing.hidden = true;
    this.list.replaceChildren();
    this.current = { id: null, pushed: false };
    return this.current;
  }

  /** One line: how it went, what happened, and what that means. */
  say(kind, what, why = "") {
    const step = make("li", { class: `step ${kind}` }, make("p", { class: "what" }, what));
    const reason = make("p", { class: "soft" }, why);
    if (why) step.append(reason);
    this.list.append(step);
    return reason;
  }

  /** Follows the delivery of a notification to its end. */
  async follow(story, id) {
    story.id = id;
    const until = performance.now() + ASK_FOR_MS;
    let waiting = null;
    for (let turn = 0; this.current === story && performance.now() < until; turn += 1) {
      await pause(ASK_AFTER_MS[Math.min(turn, ASK_AFTER_MS.length - 1)]);
      const { delivery, trail } = await trailOf(id);
      if (this.current !== story) return;
      if (delivery && delivery.state !== "pending") return this.#end(story, delivery.state, trail);
      // A phone that answers has done so by now. What is waited for is the deadline in the database.
      if (turn > 2) {
        waiting ??= this.say("wait", "Nobody has answered yet", " ");
        waiting.textContent = due(delivery?.escalateAt);
      }
    }
  }

  #end(story, state, trail) {
    this.list.querySelector(".wait")?.remove();
    const kept = Date.parse(trail.find((step) => step.step === "pending")?.at);
    const last = trail.findLast((step) => step.step === state) ?? trail.find((step) => step.step === "read");
    const took = span(Date.parse(last?.at) - kept);
    if (state !== "confirmed") {
      this.say(...ENDS[state](took));
      if (state === "emailed") this.told.mailed();
      return;
    }
    const who = this.told.phoneIsOn() && story.pushed ? "the phone" : "another device of the host’s";
    this.say(
      "good",
      `Confirmed by ${who} in ${took}`,
      "Its answer came back, so that no mail is needed. Sent is not the same as received.",
    );
  }
}

/** Milliseconds as people say them. */
export function span(ms) {
  if (!Number.isFinite(ms)) return "a moment";
  if (ms < 1) return "under 1 ms";
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

function due(at) {
  const left = Math.ceil((Date.parse(at) - Date.now()) / 1000);
  return left > 0
    ? `Mail goes out unless a device confirms within ${left} s. The deadline is in the database.`
    : "Mail is being written.";
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
