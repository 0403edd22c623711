// The list in the dropdown: one `<ul>` a day, a heading above each, and more when its end comes into sight.
//
// The keyboard's way through it is that of a list with a roving tab stop: Tab reaches one item and then its
// buttons; the arrow keys, Home and End go from item to item; Delete deletes. A screen reader hears lists of so
// many items under headings that are days.

import { addressOf, button, icon, make } from "./bell-dom.js";

// Relative times are shown to the minute.
const AGAIN_MS = 30_000;

export class List {
  /**
   * @param {import("./bell-inbox.js").Inbox} inbox
   * @param {import("./bell-language.js").Language} language
   * @param {{ open(item: object, event: Event): void, read(item: object): void, remove(item: object): void, template(): string | null }} acts
   */
  constructor(inbox, language, acts) {
    this.inbox = inbox;
    this.language = language;
    this.acts = acts;
    this.shown = new Map();
    this.days = new Map();
    this.current = null;
    this.element = make("div", { class: "scroll", part: "list" });
    this.newest = button({ class: "wide", hidden: true }, () => this.toNewest(), icon("up"), language.say("newest"));
    this.body = make("div", { class: "days" });
    this.end = make("div", { class: "end" });
    this.element.append(this.newest, this.body, this.end);
    this.element.addEventListener("keydown", (event) => this.#key(event));
    this.element.addEventListener("focusin", (event) => {
      const id = event.target.closest("li")?.dataset.id;
      if (id) this.#makeCurrent(id);
    });
    this.sight = new IntersectionObserver(([entry]) => entry.isIntersecting && !inbox.failed && void inbox.more(), {
      root: this.element,
      rootMargin: "240px",
    });
  }

  /** While the dropdown is open: times go on, and the end of the list is watched. */
  watch() {
    this.timer = setInterval(() => this.#tell(), AGAIN_MS);
    this.render();
  }

  unwatch() {
    clearInterval(this.timer);
    this.sight.disconnect();
  }

  async toNewest() {
    await this.inbox.restart();
    this.element.scrollTop = 0;
    this.focusFirst();
  }

  /** Shows what the inbox holds. Elements that stay are left where they are, and with them focus and scrolling. */
  render() {
    const { inbox } = this;
    const focused = this.element.getRootNode().activeElement?.closest?.("li")?.dataset.id;
    const order = [...this.shown.keys()];
    const kept = this.#anchors();
    const groups = this.#groups();
    const lists = groups.map(({ key, moment, items }) => {
      const day = this.days.get(key) ?? this.#day(key, moment);
      arrange(
        day.list,
        items.map((item) => this.#item(item)),
      );
      return day.element;
    });
    const ids = new Set(inbox.items.map((item) => item.id));
    for (const id of order) if (!ids.has(id)) this.shown.delete(id);
    for (const key of this.days.keys()) if (!groups.some((group) => group.key === key)) this.days.delete(key);
    arrange(this.body, lists);
    this.newest.hidden = !inbox.cut;
    this.#renderEnd();
    this.#tell();
    this.#keep(kept);
    if (!ids.has(this.current)) this.#makeCurrent(nearest(order, this.current, ids) ?? inbox.items[0]?.id ?? null);
    else this.#makeCurrent(this.current);
    if (focused && !ids.has(focused)) this.focusCurrent();
    // Said anew, because an end that stays in sight is reported only once.
    this.sight.disconnect();
    if (inbox.hasMore && !inbox.loading) this.sight.observe(this.end);
  }

  focusFirst() {
    this.#focus(this.inbox.items[0]?.id);
  }

  focusCurrent() {
    if (this.current) this.#focus(this.current);
    else this.element.closest("[popover]")?.focus();
  }

  #groups() {
    const groups = [];
    for (const item of this.inbox.items) {
      const moment = Date.parse(item.timestamp);
      const key = this.language.dayKey(moment);
      if (groups.at(-1)?.key !== key) groups.push({ key, moment, items: [] });
      groups.at(-1).items.push(item);
    }
    return groups;
  }

  #day(key, moment) {
    const heading = make("h3", { id: `day-${key}`, class: "day", part: "day" });
    const list = make("ul", { role: "list", "aria-labelledby": heading.id });
    const day = { element: make("section", {}, heading, list), heading, list, moment };
    this.days.set(key, day);
    return day;
  }

  #item(item) {
    const held = this.shown.get(item.id);
    if (held?.item === item) return held.element;
    const row = held ?? this.#row(item);
    row.item = item;
    row.element.classList.toggle("unread", !item.isRead);
    row.element.setAttribute("part", item.isRead ? "item" : "item item-unread");
    row.state.textContent = item.isRead ? "" : `${this.language.say("unreadOne")}. `;
    row.read.hidden = item.isRead;
    return row.element;
  }

  #row(item) {
    const { acts, language } = this;
    const id = item.id;
    const href = addressOf(item, acts.template());
    const latest = () => this.shown.get(id)?.item ?? item;
    const state = make("span", { class: "hidden" });
    const time = make("time", {
      class: "time",
      part: "item-time",
      datetime: item.timestamp,
      title: language.full.format(Date.parse(item.timestamp)),
    });
    const main = make(
      href ? "a" : "button",
      href ? { class: "main", href } : { class: "main", type: "button" },
      make("span", { class: "sign" }, icon(item.category)),
      make("span", { class: "words" }, state, ...words(item), time),
    );
    main.addEventListener("click", (event) => {
      acts.open(latest(), event);
      // What leads nowhere is read here, in full; to a screen reader it always is.
      if (!href) element.classList.toggle("whole");
    });
    const name = (text) => ({ class: "small", title: text, "aria-label": `${text}: ${item.title}` });
    const read = button(name(language.say("markRead")), () => this.#readOne(latest(), main), icon("check"));
    const remove = button(name(language.say("remove")), () => acts.remove(latest()), icon("remove"));
    const element = make(
      "li",
      { class: `item ${item.priority}`, "data-id": id },
      main,
      make("div", { class: "actions" }, read, remove),
    );
    const row = { element, main, read, remove, state, time };
    this.shown.set(id, row);
    return row;
  }

  // The button vanishes with what it was for: focus goes to the item that it stood in.
  #readOne(item, main) {
    main.focus({ preventScroll: true });
    this.acts.read(item);
  }

  #renderEnd() {
    const { inbox, language } = this;
    const say = (...children) => this.end.replaceChildren(...children);
    const had = this.end.contains(this.element.getRootNode().activeElement);
    if (inbox.failed) {
      const again = button({ class: "wide" }, () => void inbox.more(), language.say("retry"));
      say(make("p", {}, language.say("failed")), again);
    } else if (inbox.loading) say(make("p", {}, language.say("loading")));
    else if (inbox.loaded && inbox.items.length === 0)
      say(icon("bell"), make("p", { class: "empty" }, language.say("empty")));
    else say();
    // Whoever pressed the button that was there goes on from what is the last.
    if (!had) return;
    if (inbox.items.length > 0) this.#focus(inbox.items.at(-1).id);
    else this.element.closest("[popover]")?.focus();
  }

  // What is newest stays at the edge; further down, what one reads stays where it is, whatever comes or goes above it.
  // All that is in sight is remembered, from the top, because the first of it may be what goes.
  #anchors() {
    if (this.element.scrollTop < 8) return [];
    const { top, bottom } = this.element.getBoundingClientRect();
    return [...this.body.querySelectorAll("li")]
      .map((element) => ({ element, box: element.getBoundingClientRect() }))
      .filter(({ box }) => box.bottom > top && box.top < bottom);
  }

  #keep(anchors) {
    const anchor = anchors.find(({ element }) => element.isConnected);
    if (anchor) this.element.scrollTop += anchor.element.getBoundingClientRect().top - anchor.box.top;
  }

  #tell() {
    const now = Date.now();
    for (const { item, time } of this.shown.values())
      time.textContent = this.language.ago(Date.parse(item.timestamp), now);
    for (const { heading, moment } of this.days.values()) heading.textContent = this.language.dayName(moment, now);
  }

  #makeCurrent(id) {
    this.current = id;
    for (const [each, row] of this.shown) {
      for (const stop of [row.main, row.read, row.remove]) stop.tabIndex = each === id ? 0 : -1;
    }
  }

  #focus(id) {
    const row = this.shown.get(id);
    if (!row) return;
    this.#makeCurrent(id);
    row.main.focus();
    row.element.scrollIntoView({ block: "nearest" });
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || !event.target.closest("li")) return;
    const ids = this.inbox.items.map((item) => item.id);
    const at = ids.indexOf(this.current);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: ids.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      this.#focus(ids[Math.min(Math.max(to, 0), ids.length - 1)]);
    } else if (event.key === "Delete") {
      event.preventDefault();
      this.acts.remove(this.inbox.items[at]);
    }
  }
}

/** Title and message, as text in whichever direction it is written. */
export function words(item) {
  return [
    make("span", { class: "title", part: "item-title", dir: "auto" }, item.title),
    ...(item.message ? [make("span", { class: "message", part: "item-message", dir: "auto" }, item.message)] : []),
  ];
}

// Makes `wanted` the children, in that order, and moves nothing that is in its place already.
function arrange(parent, wanted) {
  const stay = new Set(wanted);
  for (const child of [...parent.children]) if (!stay.has(child)) child.remove();
  wanted.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
}

// The next one after what has gone, or the one before it.
function nearest(order, gone, ids) {
  const at = order.indexOf(gone);
  if (at < 0) return null;
  return order.slice(at).find((id) => ids.has(id)) ?? order.slice(0, at).findLast((id) => ids.has(id)) ?? null;
}
