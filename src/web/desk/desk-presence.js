// Who is online now: figures by role, door and instance, and everybody by name with their connections.

import { disconnectButton } from "./desk-actions.js";
import { el, reconcile, setText } from "./desk-dom.js";
import { filterForm } from "./desk-filters.js";
import { problemPlace } from "./desk-notices.js";
import { to } from "./desk-route.js";
import { table } from "./desk-table.js";
import { timeElement } from "./desk-time.js";
import { ROLES, channelName, count, many } from "./desk-words.js";

const EVERY_MS = 5_000;
const PAGE = 50;
/** More people than anybody reads: then one searches. */
const SHOWN_MAX = 200;
const CONNECTIONS_SHOWN = 4;

export function presenceView(desk) {
  const { api, live, signal } = desk;
  const problems = problemPlace();
  const title = el("h1", { text: "Presence" });
  const summary = el("p", { class: "lead" });
  const groups = el("div", { class: "groups" });
  const more = el("button", { type: "button", text: "Load more" });
  const form = filterForm("presence", [
    { name: "userId", label: "User id", type: "search", maxlength: 128 },
    { name: "role", label: "Role", options: ROLES },
  ]);
  const people = peopleTable(desk, () => task?.now());
  const element = el(
    "div",
    {},
    title,
    form.element,
    problems.element,
    summary,
    groups,
    people.element,
    el("div", { class: "row" }, more),
  );
  let wanted = PAGE;
  let filters = {};
  let task = null;

  more.addEventListener("click", () => {
    wanted = Math.min(wanted + PAGE, SHOWN_MAX);
    task.now();
  });

  async function renew() {
    const presence = await api.get("/admin/presence", { ...filters, limit: String(wanted) }, { signal });
    problems.clear();
    setText(
      summary,
      `${many(presence.totalOnline, "user")} online by ${many(presence.connections, "connection")}` +
        `${presence.complete ? "." : ": of this instance only, the others cannot be asked just now."}`,
    );
    reconcile(groups, groupsOf(presence), {
      key: ([name]) => name,
      create: ([name]) => el("div", {}, el("h2", { text: name }), el("dl", { class: "facts" })),
      update: (node, [, entries]) =>
        reconcile(node.lastElementChild, entries, {
          key: ([label]) => label,
          create: ([label]) => el("div", {}, el("dt", { text: label }), el("dd")),
          update: (fact, [, figure]) => setText(fact.lastElementChild, count(figure)),
        }),
    });
    people.says(emptyText(filters));
    people.update(presence.users);
    more.hidden = !presence.nextCursor;
    const isFull = wanted >= SHOWN_MAX;
    more.toggleAttribute("disabled", isFull);
    setText(more, isFull ? `The first ${SHOWN_MAX} are shown: search for others` : "Load more");
  }

  return {
    element,
    open(route) {
      filters = route.filters;
      form.fill(filters);
      wanted = PAGE;
      if (task) task.now();
      else {
        task = live.start({
          name: "presence",
          every: EVERY_MS,
          signal,
          work: renew,
          failed: (error) => error.code && problems.show(error, "Who is online is not known"),
        });
      }
    },
  };
}

function emptyText({ userId, role }) {
  if (userId) return `${userId} is not online. What they are sent is mailed.`;
  if (role) return `Nobody with the role ${role} is online.`;
  return "Nobody is online. Notifications are mailed until somebody connects.";
}

function groupsOf({ byRole, byDoor, instances }) {
  const doors = Object.entries(byDoor).map(([door, figure]) => [channelName(door), figure]);
  const places = instances.map(({ instance, totalOnline }) => [instance, totalOnline]);
  return [
    ["By role", Object.entries(byRole)],
    ["By door", doors],
    ["By instance", places],
  ].filter(([, entries]) => entries.length);
}

function peopleTable(desk, renew) {
  return table({
    label: "Who is online",
    empty: "",
    compact: true,
    key: ({ userId }) => userId,
    open: ({ userId }) => to("user", { id: userId }),
    columns: [
      {
        name: "User",
        main: true,
        of: ({ userId }) => userId,
        render: ({ userId }) => el("a", { href: to("user", { id: userId }), text: userId, dir: "auto" }),
      },
      { name: "Roles", of: ({ roles }) => roles.join(", ") },
      {
        name: "Connections",
        wide: true,
        of: ({ sessions }) => sessions,
        render: ({ sessions }) => connections(sessions),
      },
      { name: "", of: ({ userId }) => userId, render: ({ userId }) => disconnectButton(desk, userId, renew) },
    ],
  });
}

/** Each connection with its door, since when, and its session. */
export function connections(sessions, most = CONNECTIONS_SHOWN) {
  if (!sessions.length) return el("span", { class: "soft", text: "gone just now" });
  const list = el(
    "ul",
    { class: "plain" },
    sessions
      .slice(0, most)
      .map(({ door, since, sessionId }) =>
        el(
          "li",
          { title: `Session ${sessionId}` },
          `${channelName(door)}, since `,
          timeElement(since),
          " ",
          el("span", { class: "soft" }, "(", timeElement(since, { relative: true }), ")"),
        ),
      ),
  );
  if (sessions.length > most) list.append(el("li", { class: "soft", text: `and ${sessions.length - most} more` }));
  return list;
}
