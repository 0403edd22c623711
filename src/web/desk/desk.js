// The desk's beginning: signs in, shows the view that the address names, and keeps saying how fresh what is shown is.

import { createApi } from "./desk-api.js";
import { auditView } from "./desk-audit.js";
import { broadcastView } from "./desk-broadcast.js";
import { setAttribute, setText } from "./desk-dom.js";
import { Live } from "./desk-live.js";
import { logView } from "./desk-log.js";
import { announce } from "./desk-notices.js";
import { overviewView } from "./desk-overview.js";
import { presenceView } from "./desk-presence.js";
import { isUuid, parse, to } from "./desk-route.js";
import { Session } from "./desk-session.js";
import { hideSignIn, listen, showSignIn, tryCookie } from "./desk-signin.js";
import { ago, byServer, clock, keepTimesGoing, local, now } from "./desk-time.js";
import { trailView } from "./desk-trail.js";
import { userView } from "./desk-user.js";
import { watchReadiness } from "./desk-readiness.js";

const VIEWS = {
  overview: overviewView,
  presence: presenceView,
  log: logView,
  trail: trailView,
  user: userView,
  broadcast: broadcastView,
  audit: auditView,
};
const TITLES = {
  overview: "Overview",
  presence: "Presence",
  log: "Log",
  trail: "Trail",
  user: "User",
  broadcast: "Broadcast",
  audit: "Audit",
};
/** Which entry of the navigation a view without one belongs to. */
const PARENTS = { trail: "log", user: "presence" };
/** A token that ends sooner is spoken of. */
const EXPIRY_NOTICE_MS = 5 * 60_000;

const byId = (id) => document.getElementById(id);
const session = new Session();
const live = new Live();
const api = createApi(session);
const desk = { api, live, announce, session, readiness: null };
const shell = { view: null, name: "", control: null };

function show() {
  const route = parse(location.hash);
  const name = Object.hasOwn(VIEWS, route.view) ? route.view : "overview";
  const make = VIEWS[name];
  const same = shell.view && shell.name === name && shell.view.id === route.id;
  if (!same) {
    shell.control?.abort();
    shell.control = new AbortController();
    shell.name = name;
    shell.view = make({ ...desk, signal: shell.control.signal }, route);
    shell.view.id = route.id;
    byId("view").replaceChildren(shell.view.element);
  }
  shell.view.open?.(route);
  mark(name);
  entitle();
  if (!same && shell.moved) toHeading();
  shell.moved = true;
}

/** After a change of view one begins at its heading, with eyes and with a screen reader. */
function toHeading() {
  scrollTo(0, 0);
  const heading = byId("view").querySelector("h1");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
}

function mark(name) {
  const current = PARENTS[name] ?? name;
  for (const link of byId("nav").children) {
    setAttribute(link, "aria-current", link.hash === `#/${current}` ? (name === current ? "page" : "true") : null);
  }
}

function leave() {
  shell.control?.abort();
  Object.assign(shell, { view: null, name: "", control: null, moved: false });
  desk.readiness?.stop();
  byId("view").replaceChildren();
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
  byId("top").hidden = true;
  byId("away").hidden = true;
  document.title = "Sign in · bellhop desk";
  showSignIn(session);
}

function enter() {
  hideSignIn();
  byId("top").hidden = false;
  desk.readiness = watchReadiness(desk);
  desk.readiness.addEventListener("change", entitle);
  const claims = session.claims;
  setText(byId("me"), claims?.user ?? (session.isByCookie ? "by cookie" : ""));
  setAttribute(byId("me"), "title", claims?.expiresAt ? `The token ends at ${local(claims.expiresAt)}` : null);
  byId("sign-out").hidden = session.isByCookie;
  show();
}

function entitle() {
  const troubles = desk.readiness.findings.length;
  const sign = live.away ? "✖ away · " : troubles ? `✖ ${troubles} · ` : "";
  const title = `${sign}${TITLES[shell.name] ?? "Desk"} · bellhop desk`;
  if (document.title !== title) document.title = title;
}

function sayFreshness() {
  if (!session.isOpen) return;
  const { asOf, isStale, nextTry } = live.freshness;
  const expires = session.claims?.expiresAt;
  const ending = expires && expires - now() < EXPIRY_NOTICE_MS;
  setText(
    byId("as-of"),
    `${isStale ? "Stale: as" : "As"} of ${clock(byServer(asOf))}${ending ? `, token ends ${ago(expires)}` : ""}`,
  );
  byId("freshness").className = `pill ${isStale ? "bad" : ending ? "warn" : "good"}`;
  document.body.classList.toggle("stale", isStale);
  byId("away").hidden = !live.away;
  if (!live.away) return;
  const since = clock(byServer(live.away.since));
  setText(byId("away-text"), `The server does not answer since ${since}: ${live.away.reason}.`);
  const wait = nextTry ? Math.max(0, Math.ceil((nextTry - Date.now()) / 1_000)) : 0;
  const again = wait ? `Trying again in ${wait} s.` : "Trying again.";
  setText(byId("away-more"), `What you see is from ${clock(byServer(asOf))}. ${again}`);
}

function find(event) {
  event.preventDefault();
  const text = byId("find-text").value.trim();
  if (!text) return;
  byId("find-text").value = "";
  // Users may have such ids as well: the trail says so and leads there.
  location.hash = isUuid(text) ? to("trail", { id: text }) : to("user", { id: text });
}

session.addEventListener("begin", enter);
session.addEventListener("end", leave);
addEventListener("hashchange", () => session.isOpen && show());
live.addEventListener("change", () => {
  sayFreshness();
  if (desk.readiness) entitle();
});
byId("find").addEventListener("submit", find);
byId("sign-out").addEventListener("click", () => session.signOut());
byId("try-now").addEventListener("click", () => live.refresh());
document.querySelector(".skip").addEventListener("click", (event) => {
  // The fragment is the view's.
  event.preventDefault();
  byId("main").focus();
});
listen(session);
keepTimesGoing();
setInterval(sayFreshness, 1_000);

if (session.isOpen) enter();
else if (!(await tryCookie(session))) showSignIn(session);
