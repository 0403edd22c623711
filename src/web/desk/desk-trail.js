// One notification's trail as a timeline: made, confirmed by which device after how long, read, mailed, put off,
// failed; and how its delivery stands now.

import { badge, copyable, el, reconcile, setText } from "./desk-dom.js";
import { announce, problemPlace } from "./desk-notices.js";
import { to } from "./desk-route.js";
import { duration, local, timeElement, utc } from "./desk-time.js";
import { STATES, STEP_WORDS, channelName, many } from "./desk-words.js";

/** A delivery that is under way is watched closely; one that has ended may still be read. */
const EVERY_MS = 3_000;
const ENDED_EVERY_MS = 6_000;

/** What proves that its user has it. */
const PROOFS = ["confirmed", "read", "deleted"];

export function trailView({ api, live, signal }, { id }) {
  const problems = problemPlace();
  const head = el("div", { class: "trail-head" });
  const message = el("p", { class: "lead", dir: "auto" });
  const standing = el("p", { class: "verdict standing", role: "status" });
  const steps = el("ol", { class: "timeline" });
  const truncated = el("p", {
    class: "hint",
    hidden: true,
    text: "Older steps are left out: there are more than a thousand.",
  });
  const title = el("h1", { text: "Trail of a notification" });
  const raw = el("pre", {
    tabindex: "0",
    role: "region",
    "aria-label": "The notification as its user gets it",
    dir: "ltr",
  });
  const whole = el(
    "details",
    { class: "card", hidden: true },
    el("summary", { text: "The notification as its user gets it" }),
    raw,
  );
  const body = el(
    "div",
    { hidden: true },
    message,
    standing,
    head,
    el(
      "section",
      { class: "card", "aria-labelledby": "steps" },
      el("h2", { id: "steps", text: "What happened" }),
      truncated,
      steps,
    ),
    whole,
  );
  // An id from the search may be a user's.
  const otherwise = el(
    "p",
    { hidden: true },
    "No notification of this id is kept. ",
    el("a", { href: to("user", { id }), text: "Is it a user's?" }),
  );
  const element = el(
    "div",
    { class: "trail" },
    el("p", {}, el("a", { href: "#/log", text: "Log" })),
    title,
    problems.element,
    otherwise,
    body,
  );

  const task = live.start({
    name: "trail",
    every: EVERY_MS,
    signal,
    work: async () => {
      const trail = await api.get(`/admin/notifications/${encodeURIComponent(id)}/trail`, {}, { signal });
      problems.clear();
      if (trail.delivery?.state !== "pending") task.pace(ENDED_EVERY_MS);
      body.hidden = false;
      otherwise.hidden = true;
      setText(title, trail.notification?.title || trail.notification?.type || "A notification that is no longer kept");
      title.dir = "auto";
      setText(message, trail.notification?.message);
      setText(standing, standingOf(trail));
      standing.className = `verdict standing ${STATES[trail.delivery?.state]?.tone ?? "plain"}`;
      showFacts(head, trail, id);
      truncated.hidden = !trail.truncated;
      reconcile(steps, numbered(trail.trail), {
        key: ({ key }) => key,
        create: stepElement,
      });
      whole.hidden = !trail.notification;
      if (trail.notification) setText(raw, JSON.stringify(trail.notification, null, 2));
    },
    failed: (error) => {
      otherwise.hidden = error.status !== 404;
      if (error.code) problems.show(error, "The trail could not be had");
    },
  });
  return { element };
}

function standingOf({ delivery, notification, trail }) {
  if (!delivery)
    return notification
      ? "Nothing is kept of its delivery."
      : "It was deleted, or became too old; its trail is kept longer.";
  const { state, attempts, escalateAt, finishedAt } = delivery;
  // The delivery ends when its proof is written; the proof itself has its own time, and its channel.
  const proof = trail.find(({ step }) => PROOFS.includes(step));
  const ended = state === "confirmed" && proof ? proof.at : finishedAt;
  const took =
    ended && notification
      ? ` after ${duration(Math.max(0, Date.parse(ended) - Date.parse(notification.timestamp)))}`
      : "";
  const next = escalateAt ? `; looked at again at ${local(escalateAt)}` : "";
  const tries = attempts ? `, ${many(attempts, "try", "tries")} so far` : "";
  switch (state) {
    case "pending":
      return `Pending: ${STATES.pending.means}${next}${tries}.`;
    case "confirmed":
      return `Confirmed${proof?.channel ? ` by ${channelName(proof.channel)}` : ""}${took}.`;
    case "emailed":
      return `Mailed${took}: the mail server took it.`;
    default:
      return `${state[0].toUpperCase()}${state.slice(1)}${took}: ${STATES[state]?.means ?? "see below"}.`;
  }
}

function showFacts(head, { notification, requestId, delivery }, id) {
  const sign = JSON.stringify([notification?.isRead, requestId, delivery]);
  if (head.sign === sign) return;
  head.sign = sign;
  const facts = el("dl", { class: "facts" });
  const fact = (name, ...nodes) => facts.append(el("div", {}, el("dt", { text: name }), el("dd", {}, nodes)));
  if (delivery) fact("State", badge(delivery.state, STATES[delivery.state]?.tone));
  if (notification) {
    const { userId, seq, type, category, priority, timestamp } = notification;
    fact("User", el("a", { href: to("user", { id: userId }), text: userId, dir: "auto" }));
    fact("Type", el("code", { text: type }));
    fact("Category", category);
    fact("Priority", priority);
    fact("Place in the inbox", String(seq));
    fact("Made", timeElement(timestamp), " ", el("span", { class: "soft", text: utc(timestamp) }));
  }
  if (delivery?.error) fact("Last error", delivery.error);
  fact("Id", copyable(id, "the notification's id", announce));
  if (requestId) fact("Request", copyable(requestId, "the request's id", announce));
  fact("Who looked at it", el("a", { href: to("audit", { filters: { target: id } }), text: "in the audit" }));
  head.replaceChildren(facts);
}

/** Each step with a key that stays: equal steps of one moment are told apart by their turn. */
function numbered(trail) {
  const seen = new Map();
  const begin = trail.length ? Date.parse(trail[0].at) : 0;
  return trail.map((step) => {
    const base = `${step.step} ${step.at} ${step.device ?? ""} ${step.channel ?? ""}`;
    seen.set(base, (seen.get(base) ?? 0) + 1);
    return { ...step, key: `${base} ${seen.get(base)}`, after: Date.parse(step.at) - begin };
  });
}

function stepElement({ step, at, channel, device, error, after }) {
  const { tone, text } = STEP_WORDS[step] ?? { tone: "plain", text: step };
  // A mail's steps say themselves that they are a mail's.
  const by = channel && channel !== "email" ? el("span", { class: "by", text: ` by ${channelName(channel)}` }) : null;
  return el(
    "li",
    { class: tone },
    el(
      "div",
      { class: "step" },
      el("strong", { text }),
      by,
      after > 0 ? el("span", { class: "after", text: ` after ${duration(after)}` }) : null,
    ),
    el("div", { class: "soft" }, timeElement(at), " · ", el("span", { dir: "ltr", text: utc(at) })),
    device ? el("div", { class: "device" }, el("span", { text: "Session " }), el("bdi", { text: device })) : null,
    error ? el("div", { class: "error" }, el("bdi", { text: error })) : null,
  );
}
