// <bellhop-bell>: a bell for any site, in one script tag and one element. It shows the badge, the list and what
// arrives, by the client in bellhop.js. Attributes, properties, events and what can be styled are in bellhop-bell.d.ts.

import { Bellhop } from "./bellhop.js";
import { Acts } from "./assets/bell-acts.js";
import { button, icon, make } from "./assets/bell-dom.js";
import { Inbox } from "./assets/bell-inbox.js";
import { Language } from "./assets/bell-language.js";
import { Line } from "./assets/bell-line.js";
import { Panel } from "./assets/bell-panel.js";
import { keepPlaced, placePanel } from "./assets/bell-place.js";
import { chooseSound, ring, soundWanted } from "./assets/bell-sound.js";
import sheet from "./assets/bell-style.js";
import { Toasts } from "./assets/bell-toasts.js";
import { fetchToken } from "./assets/bell-token.js";

const HERE = new URL(".", import.meta.url).href;

// Several arrivals within a moment are said in one sentence.
const SAY_AFTER_MS = 400;

const CORNERS = ["top-start", "top-end", "bottom-start", "bottom-end"];

export class BellhopBell extends HTMLElement {
  static observedAttributes = ["token-url", "user", "server", "lang", "time-zone"];

  #boundary = null;
  #client = null;
  #given = null;
  #token = null;
  #inbox = null;
  #line = null;
  #listening = null;
  #language = null;
  #panel = null;
  #toasts = null;
  #bell = null;
  #badge = null;
  #sign = null;
  #spoken = null;
  #unplace = null;
  #sayTimer = 0;
  #arrived = [];

  constructor() {
    super();
    this.attachShadow({ mode: "open" }).adoptedStyleSheets = [sheet];
  }

  /** The client that is shown: one of its own, unless the page gave one. The page opens and closes what it gives. */
  get client() {
    return this.#client;
  }

  set client(client) {
    this.#given = client ?? null;
    this.#restart();
  }

  /** A token, or what fetches one. Another token is another reader: what was shown is forgotten. */
  get token() {
    return this.#token;
  }

  set token(token) {
    this.#token = token ?? null;
    this.#restart();
  }

  /** The part of the page that dropdown and toasts stay in, instead of the window. */
  get boundary() {
    return this.#boundary;
  }

  set boundary(element) {
    this.#boundary = element ?? null;
  }

  get server() {
    return this.getAttribute("server") ?? HERE;
  }

  set server(server) {
    this.setAttribute("server", server);
  }

  /** Who the browser's cookie speaks for, so that tabs of the same user can share a connection. */
  get user() {
    return this.getAttribute("user");
  }

  set user(user) {
    if (user === null || user === undefined) this.removeAttribute("user");
    else this.setAttribute("user", user);
  }

  get unread() {
    // Nobody who is logged in has none, whoever was before.
    return this.#line?.wantsLogin ? 0 : (this.#client?.unread ?? 0);
  }

  get opened() {
    return this.#panel?.element.matches(":popover-open") ?? false;
  }

  show() {
    if (this.isConnected && !this.opened) this.#panel.element.showPopover();
  }

  hide() {
    if (this.opened) this.#panel.element.hidePopover();
  }

  connectedCallback() {
    // What a page set before this class was there is on the element itself, and would hide the accessors.
    for (const name of ["client", "token", "user", "server", "boundary"]) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete this[name];
      this[name] = value;
    }
    if (this.#client) this.#follow();
    else this.#start();
    this.#build();
  }

  disconnectedCallback() {
    this.#toasts?.clear();
    this.#leavePanel();
    // An element that is only moved is back before this runs, and keeps its connection.
    queueMicrotask(() => {
      if (!this.isConnected) this.#stop();
    });
  }

  attributeChangedCallback(name, before, after) {
    if (!this.isConnected || before === after || !this.#panel) return;
    if (name === "lang" || name === "time-zone") this.#build();
    else this.#restart();
  }

  #start() {
    const server = new URL(this.server, document.baseURI).href;
    const user = this.getAttribute("user") || undefined;
    this.#client = this.#given ?? new Bellhop({ server, user, token: this.#tokens() });
    this.#inbox = new Inbox(this.#client);
    this.#line = new Line(this.#client, (news) => this.#lineIs(news));
    this.#follow();
    if (!this.#given) this.#client.open();
  }

  #stop() {
    clearTimeout(this.#sayTimer);
    this.#listening?.abort();
    this.#line?.end();
    this.#inbox?.forget();
    if (this.#client && this.#client !== this.#given) this.#client.close();
    this.#arrived = [];
    this.#client = this.#inbox = this.#line = this.#listening = null;
  }

  #restart() {
    if (!this.isConnected || !this.#panel) return;
    this.#stop();
    this.#start();
    this.#build();
  }

  // An empty token is nobody. Undefined leaves it to the client, for which the browser's cookie speaks.
  #tokens() {
    const url = this.getAttribute("token-url");
    if (this.#token !== null) return this.#token || (() => "");
    return url === null ? undefined : () => fetchToken(url);
  }

  #follow() {
    this.#listening?.abort();
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const on = (type, listener) => this.#client.addEventListener(type, (event) => listener(event.detail), { signal });
    on("notification", (item) => this.#arrive(item));
    on("unread", () => this.#renderBell());
    on("read", (detail) => this.#settled("read", detail));
    on("deleted", (detail) => this.#settled("deleted", detail));
    on("gap", () => this.#inbox.loaded && void this.#inbox.restart());
    on("state", () => this.#line.look());
    this.#inbox.addEventListener("change", () => this.opened && this.#panel.render(), { signal });
    this.#line.look();
  }

  // All that is shown, anew: at first, and when the language changes.
  #build() {
    this.#toasts?.clear();
    this.#leavePanel();
    this.#language = this.#wantedLanguage();
    const language = this.#language;
    const does = new Acts(this, { client: this.#client, inbox: this.#inbox }, language, {
      say: (text) => this.#say(text),
      complain: (text) => this.#panel.complain(text),
    });
    const acts = {
      open: (item, event) => does.open(item, event),
      read: (item) => does.read(item),
      remove: (item) => does.remove(item),
      readAll: () => does.readAll(),
      sound: chooseSound,
      preferences: () => does.preferences(),
      retry: () => this.#retry(),
      showAll: () => this.show(),
      leave: () => this.#bell.focus(),
      template: () => this.getAttribute("href-template"),
      corner: () => (CORNERS.includes(this.getAttribute("toasts")) ? this.getAttribute("toasts") : "bottom-end"),
      boundary: () => this.#boundary,
    };
    this.#panel = new Panel(this.#inbox, language, acts);
    this.#toasts = new Toasts(language, acts);
    this.#badge = make("span", { class: "badge", part: "badge", hidden: true });
    this.#sign = make("span", { class: "cut-off", part: "offline-sign", hidden: true }, icon("alert"));
    this.#bell = button(
      { class: "bell", part: "bell", "aria-haspopup": "dialog", "aria-expanded": "false", "aria-controls": "panel" },
      () => {},
      icon("bell"),
      this.#badge,
      this.#sign,
    );
    // By the browser's own tie between a button and its popover, a press on the open one closes it.
    this.#bell.popoverTargetElement = this.#panel.element;
    this.#panel.element.addEventListener("toggle", (event) => this.#toggled(event.newState === "open"));
    this.#panel.element.addEventListener("beforetoggle", (event) => this.#toggles(event.newState === "open"));
    this.#spoken = make("div", { class: "hidden", role: "status", "aria-live": "polite" });
    const content = [this.#bell, this.#panel.element, this.#toasts.element, this.#spoken];
    const direction = !this.closest("[dir]") && language.rightToLeft ? "rtl" : null;
    for (const each of content) {
      each.lang = language.tag;
      if (direction) each.dir = direction;
    }
    this.shadowRoot.replaceChildren(...content);
    this.#renderBell();
  }

  #wantedLanguage() {
    const page = this.closest("[lang]:not([lang=''])")?.lang;
    return new Language([...(page ? [page] : []), ...navigator.languages], this.getAttribute("time-zone") ?? undefined);
  }

  #toggles(open) {
    const { element } = this.#panel;
    // It is placed before it is first painted, and measured for that, which takes that it is there.
    if (open) requestAnimationFrame(() => this.#place());
    // Browsers do not find the way back to a button in a shadow tree. Who pressed elsewhere keeps the focus there.
    else if (element.contains(this.shadowRoot.activeElement)) this.#bell.focus();
  }

  #place() {
    if (this.opened) this.#unplace ??= keepPlaced(() => placePanel(this.#panel.element, this.#bell, this.#boundary));
  }

  #toggled(open) {
    this.#bell.setAttribute("aria-expanded", String(open));
    if (!open) return this.#leavePanel();
    this.#place();
    this.#toasts.clear();
    this.#panel.complain("");
    this.#inbox.watched = true;
    this.#panel.list.watch();
    this.#load();
    this.#panel.render();
  }

  // Who was refused is not asked for again with every look.
  #load() {
    if (this.#client.state === "refused") return;
    const { loaded, cut, failed } = this.#inbox;
    if (!loaded || cut) return void this.#inbox.restart();
    this.#inbox.countSoon();
    if (failed) void this.#inbox.more();
  }

  #leavePanel() {
    this.#unplace?.();
    this.#unplace = null;
    this.#panel?.list.unwatch();
    if (this.#inbox) this.#inbox.watched = false;
  }

  #renderBell() {
    const { unread } = this;
    const language = this.#language;
    if (!language) return;
    const wantsLogin = this.#line?.wantsLogin ?? false;
    this.#badge.hidden = unread === 0;
    this.#badge.textContent = unread > 99 ? `${language.number.format(99)}+` : language.number.format(unread);
    const state = this.#line?.say(language) ?? "";
    // That nobody is logged in is no fault.
    this.#sign.hidden = state === "" || wantsLogin;
    this.#bell.classList.toggle("away", !this.#sign.hidden);
    const names = [language.say("notifications"), unread > 0 && language.say("unread", { n: unread }), state];
    this.#bell.setAttribute("aria-label", names.filter(Boolean).join(", "));
    this.#panel.renderState(state, wantsLogin);
  }

  #lineIs(news) {
    if (!this.#language) return;
    this.#renderBell();
    if (news === "back") this.#say(this.#language.say("live"));
    if (news === "lost") this.#say(this.#line.say(this.#language));
    if (this.opened && this.#client.state === "live") this.#load();
    // Who logs out leaves nothing on the screen.
    if (this.#line.wantsLogin && this.#inbox.loaded) this.#inbox.forget();
    if (this.#line.wantsLogin || this.#client.state === "closed") this.#toasts.clear();
  }

  // Between two tries there are pauses: a press means now.
  #retry() {
    this.#line.trying();
    this.#client.open();
  }

  #arrive(item) {
    this.#inbox.add(item);
    const told = new CustomEvent("bellhop-notification", {
      detail: item,
      bubbles: true,
      composed: true,
      cancelable: true,
    });
    // A page that shows the very thing already needs nobody to say so; nor who has read it elsewhere meanwhile.
    if (!this.dispatchEvent(told) || item.isRead) return;
    this.#arrived.push(item);
    clearTimeout(this.#sayTimer);
    this.#sayTimer = setTimeout(() => this.#sayArrived(), SAY_AFTER_MS);
    if (soundWanted()) ring(item.id).catch(() => {}); // A browser that lets nothing be heard is no fault of the page's.
    if (document.visibilityState !== "visible") return;
    this.#bell.classList.remove("ring");
    requestAnimationFrame(() => this.#bell.classList.add("ring"));
    if (!this.opened && this.getAttribute("toasts") !== "off") this.#toasts.show(item);
  }

  // Here or on another device: what was dealt with there needs no toast here.
  #settled(what, detail) {
    this.#inbox[what](detail);
    this.#toasts?.settle(detail);
  }

  #sayArrived() {
    const [first, ...rest] = this.#arrived;
    this.#arrived = [];
    if (!first) return;
    this.#say(
      rest.length === 0 ? `${first.title}. ${first.message}` : this.#language.say("arrived", { n: rest.length + 1 }),
    );
  }

  #say(text) {
    if (this.#spoken) this.#spoken.textContent = text;
  }
}

if (!customElements.get("bellhop-bell")) customElements.define("bellhop-bell", BellhopBell);
