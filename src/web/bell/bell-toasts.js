// What arrives while the page is in sight: a few cards in a corner, which go by themselves and wait while somebody
// points at them or is in them with the keyboard. Nothing is lost with a card: the inbox has it.

import { addressOf, button, icon, make } from "./bell-dom.js";
import { words } from "./bell-list.js";
import { keepPlaced, placeToasts } from "./bell-place.js";

// Long enough to read two short lines twice.
const SHOWN_MS = 7000;
const MOST = 3;

// What a card still has, at the least, when the pointer leaves it.
const LEFT_MS = 2000;

export class Toasts {
  /**
   * @param {import("./bell-language.js").Language} language
   * @param {{ open(item: object, event: Event): void, showAll(): void, template(): string | null, corner(): string, boundary(): Element | null, leave(): void }} acts
   */
  constructor(language, acts) {
    this.language = language;
    this.acts = acts;
    this.cards = [];
    this.beyond = 0;
    this.pointed = false;
    this.focused = false;
    this.element = make("div", {
      class: "toasts",
      part: "toasts",
      popover: "manual",
      role: "region",
      "aria-label": language.say("notifications"),
    });
    this.rest = button({ class: "toast rest", part: "toast toast-rest", hidden: true }, () => acts.showAll());
    this.element.append(this.rest);
    for (const name of ["pointerenter", "pointerleave", "focusin", "focusout"]) {
      this.element.addEventListener(name, ({ type }) => this.#attend(type));
    }
  }

  /** One more on top; the oldest goes where there are too many, and is counted. */
  show(item) {
    const { acts, language } = this;
    const href = addressOf(item, acts.template());
    const main = make(
      href ? "a" : "button",
      href ? { class: "main", href } : { class: "main", type: "button" },
      make("span", { class: "sign" }, icon(item.category)),
      make("span", { class: "words" }, ...words(item)),
    );
    const close = language.say("close");
    const card = {
      id: item.id,
      seq: item.seq,
      left: SHOWN_MS,
      since: 0,
      timer: 0,
      lasting: item.priority === "critical",
    };
    const dismiss = button(
      { class: "small", title: close, "aria-label": `${close}: ${item.title}` },
      () => this.dismiss(item.id),
      icon("close"),
    );
    card.element = make(
      "div",
      { class: `toast ${item.priority}`, part: "toast", role: "group", "aria-label": item.title },
      main,
      dismiss,
    );
    card.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.dismiss(item.id);
    });
    main.addEventListener("click", (event) => {
      acts.open(item, event);
      this.dismiss(item.id);
    });
    this.cards.unshift(card);
    this.element.prepend(card.element);
    while (this.cards.length > MOST) {
      this.beyond += 1;
      this.#take(this.cards.at(-1));
    }
    this.#appear();
    this.#run(card);
  }

  dismiss(id) {
    const card = this.cards.find((each) => each.id === id);
    if (!card) return;
    const had = card.element.contains(this.element.getRootNode().activeElement);
    const next = this.cards[this.cards.indexOf(card) + 1] ?? this.cards.find((each) => each !== card);
    this.#take(card);
    if (had && next) next.element.querySelector(".main").focus();
    else if (had) this.acts.leave();
    this.#appear();
  }

  /** Those that were read or deleted, by ids or everything up to a seq. */
  settle({ ids = [], upTo = 0 }) {
    for (const card of this.cards)
      if (ids.includes(card.id) || (card.seq !== null && card.seq <= upTo)) this.dismiss(card.id);
  }

  /** All of them, because the list is shown or the bell is taken off the page. */
  clear() {
    this.beyond = 0;
    for (const card of [...this.cards]) this.#take(card);
    this.#appear();
  }

  #take(card) {
    clearTimeout(card.timer);
    this.cards = this.cards.filter((each) => each !== card);
    card.element.remove();
  }

  #appear() {
    if (this.cards.length === 0) {
      this.beyond = 0;
      this.pointed = this.focused = false;
      this.unplace?.();
      this.unplace = null;
      if (this.element.matches(":popover-open")) this.element.hidePopover();
      return;
    }
    this.rest.hidden = this.beyond === 0;
    this.rest.textContent = this.language.say("more", { n: this.beyond });
    if (!this.element.isConnected) return;
    if (!this.element.matches(":popover-open")) this.element.showPopover();
    this.unplace ??= keepPlaced(() => placeToasts(this.element, this.acts.corner(), this.acts.boundary()));
  }

  #run(card) {
    if (this.pointed || this.focused || card.lasting) return;
    card.since = performance.now();
    // Nobody has seen what comes to its end behind another tab.
    card.timer = setTimeout(() => (document.hidden ? this.#run(card) : this.dismiss(card.id)), card.left);
  }

  // All wait for one, so that nothing moves away under a pointer; and each has a while left when they go on.
  #attend(type) {
    const waited = this.pointed || this.focused;
    if (type.startsWith("pointer")) this.pointed = type === "pointerenter";
    else this.focused = type === "focusin";
    const waits = this.pointed || this.focused;
    if (waits === waited) return;
    for (const card of this.cards) {
      clearTimeout(card.timer);
      if (waits) card.left = Math.max(LEFT_MS, card.left - (performance.now() - card.since));
      else this.#run(card);
    }
  }
}
