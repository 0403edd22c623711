// Broadcasts: one notification for everybody or for a role, kept or passing; asked about before it goes, and watched
// until everybody was told. Those of before are found in the audit.

import { badge, copyable, el, reconcile, setText } from "./desk-dom.js";
import { announce, ask, problemPlace } from "./desk-notices.js";
import { to } from "./desk-route.js";
import { timeElement } from "./desk-time.js";
import { ROLES, count, many } from "./desk-words.js";

const EVERY_MS = 2_000;
const EARLIER_SHOWN = 10;

export function broadcastView(desk, route) {
  const { api, live, signal } = desk;
  const problems = problemPlace();
  const form = broadcastForm();
  const progress = el(
    "section",
    { class: "card progress", "aria-labelledby": "progress", hidden: true },
    el("h2", { id: "progress", text: "This broadcast" }),
  );
  const earlier = earlierList();
  const element = el(
    "div",
    { class: "broadcast" },
    el("h1", { text: "Broadcast" }),
    problems.element,
    progress,
    form.element,
    earlier.element,
  );

  let asking = false;

  form.element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (asking) return;
    asking = true;
    problems.clear();
    try {
      await question(desk, form.read(), () => form.element.reset());
    } catch (error) {
      problems.show(error, "Nothing was sent");
    } finally {
      asking = false;
    }
  });

  if (route.id) watch();
  loadEarlier();

  async function loadEarlier() {
    try {
      const page = await api.get("/admin/audit", { action: "broadcast", limit: String(EARLIER_SHOWN) }, { signal });
      earlier.show(page.items);
    } catch (error) {
      if (!signal.aborted) problems.show(error, "Earlier broadcasts could not be had");
    }
  }

  /** Until everybody was told. */
  function watch() {
    const control = new AbortController();
    signal.addEventListener("abort", () => control.abort());
    live.start({
      name: "broadcast",
      every: EVERY_MS,
      signal: control.signal,
      work: async () => {
        const state = await api.get(
          `/admin/notifications/broadcasts/${encodeURIComponent(route.id)}`,
          {},
          { signal: control.signal },
        );
        problems.clear();
        showProgress(progress, state);
        if (state.state === "finished") control.abort();
      },
      failed: (error) => error.code && problems.show(error, "How far it is could not be had"),
    });
  }

  return { element };
}

function showProgress(box, { id, state, role, title, type, told, createdAt, finishedAt }) {
  box.hidden = false;
  const words =
    state === "finished"
      ? `Done: ${many(told, "user")} ${told === 1 ? "was" : "were"} told.`
      : `Under way: ${many(told, "user")} told so far.`;
  box.replaceChildren(
    box.firstElementChild,
    el("p", { class: "lead", role: "status", text: words }),
    el(
      "dl",
      { class: "facts" },
      pair("State", badge(state, state === "finished" ? "good" : "warn")),
      pair("To", role ? `everybody with the role ${role}` : "everybody"),
      pair("Says", el("bdi", { text: title || type })),
      pair("Sent", timeElement(createdAt)),
      finishedAt ? pair("Finished", timeElement(finishedAt)) : null,
      pair("Id", copyable(id, "the broadcast's id", announce)),
      pair(
        "In the log",
        el("a", { href: to("log", { filters: { type, from: createdAt } }), text: "those of this type since" }),
      ),
    ),
  );
}

const pair = (name, content) => el("div", {}, el("dt", { text: name }), el("dd", {}, content));

/** One key for one intention: the same draft once more, after an answer that was lost, is sent once. */
const intention = { of: "", key: "" };

function keyOf(draft) {
  const of = JSON.stringify(draft);
  if (intention.of !== of) {
    const parts = Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(36));
    Object.assign(intention, { of, key: `desk-${parts.join("-")}` });
  }
  return intention.key;
}

async function question({ api, live, signal }, draft, sent) {
  const presence = await api.get("/admin/presence", { limit: "1" }, { signal });
  const online = draft.role ? (presence.byRole[draft.role.toUpperCase()] ?? 0) : presence.totalOnline;
  const whom = draft.role ? `everybody with the role ${draft.role}` : "everybody";
  const key = keyOf(draft);
  ask({
    title: `Send to ${whom}?`,
    body: [
      el(
        "blockquote",
        {},
        el("strong", { text: draft.title || draft.type, dir: "auto" }),
        el("p", { text: draft.message, dir: "auto" }),
      ),
      el(
        "p",
        {},
        draft.passing
          ? `It is pushed to ${many(online, "user")} online now, and kept for nobody.`
          : `It goes into the inbox of ${whom} who is known, ${count(online)} of whom are online now; the others are ` +
            "mailed unless they do not want that. It cannot be taken back.",
      ),
    ],
    verb: draft.passing ? "Push it" : "Send it",
    act: async () => {
      const body = { ...draft, ...(draft.role ? {} : { all: true }) };
      const headers = draft.passing ? {} : { "Idempotency-Key": key };
      const answer = await api.post("/admin/notifications/broadcast", body, { headers });
      intention.of = "";
      sent();
      if (!answer.id) return `Pushed to whoever is online (${many(online, "user")}).`;
      location.hash = to("broadcast", { id: answer.id });
      live.refresh();
      return "Accepted and kept: everybody is told, one portion after the other.";
    },
  });
}

function broadcastForm() {
  const everybody = el("option", { value: "", text: "Everybody" });
  const role = el(
    "select",
    { id: "b-role" },
    everybody,
    ROLES.map((name) => el("option", { value: name, text: `All with the role ${name}` })),
  );
  const type = el("input", {
    id: "b-type",
    value: "system.maintenance",
    required: true,
    maxlength: 64,
    pattern: "[A-Za-z0-9._:\\-]+",
    autocomplete: "off",
    spellcheck: "false",
    dir: "ltr",
  });
  const priority = el(
    "select",
    { id: "b-priority" },
    ["low", "normal", "high", "critical"].map((name) =>
      el("option", { value: name, text: name, selected: name === "normal" }),
    ),
  );
  const title = el("input", { id: "b-title", maxlength: 200, required: true, dir: "auto" });
  const message = el("textarea", { id: "b-message", maxlength: 2000, rows: 4, dir: "auto" });
  const passing = el("input", { type: "checkbox", id: "b-passing" });
  const field = (label, input) => el("div", { class: "field" }, el("label", { for: input.id, text: label }), input);
  const element = el(
    "form",
    { class: "card composer", "aria-label": "A new broadcast" },
    el("h2", { text: "A new one" }),
    el("div", { class: "pair" }, field("To", role), field("Priority", priority)),
    field("Title", title),
    field("Message", message),
    field("Type", type),
    el(
      "label",
      { class: "check" },
      passing,
      el("span", { text: "Passing: push it to whoever is online, keep it for nobody, mail nobody" }),
    ),
    el("div", { class: "row" }, el("button", { type: "submit", class: "primary", text: "Look it over and send" })),
  );
  return {
    element,
    read: () => {
      const draft = {
        type: type.value.trim(),
        priority: priority.value,
        title: title.value.trim(),
        message: message.value.trim(),
        passing: passing.checked,
      };
      return role.value ? { ...draft, role: role.value } : draft;
    },
  };
}

function earlierList() {
  const list = el("ul", { class: "plain earlier" });
  const empty = el("p", { class: "empty", text: "None yet." });
  return {
    element: el(
      "section",
      { class: "card", "aria-labelledby": "earlier" },
      el("h2", { id: "earlier", text: "Earlier ones" }),
      list,
      empty,
    ),
    show(items) {
      empty.hidden = items.length > 0;
      reconcile(list, items, {
        key: ({ at, actor }) => `${at} ${actor}`,
        create: ({ at, actor, target, detail }) => {
          const { id, type = "", passing } = detail ?? {};
          const name = `${type} to ${target}`;
          const what = id ? el("a", { href: to("broadcast", { id }), text: name }) : el("span");
          if (!id) setText(what, `${name}${passing ? ", passing" : ""}`);
          return el("li", {}, timeElement(at), " ", what, " by ", el("bdi", { text: actor }));
        },
      });
    },
  };
}
