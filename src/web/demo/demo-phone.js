// The host's phone: a connection of its own that can be switched off, the bell, and a card for each booking with
// what the host may do about it. A second device is another connection of the same person.

import { Bellhop } from "../bellhop.js";
import { ask, HOST, tokenOf } from "./demo-api.js";
import { button, make } from "./bell-dom.js";

const CARDS_MOST = 4;
const LINES = { websocket: "WebSocket", sse: "Event stream", polling: "Polling" };

// Not shared between tabs: each page is a phone of its own, which is off when it is switched off.
export function deviceOf(person) {
  return new Bellhop({ share: false, token: (reason) => tokenOf(person, reason) });
}

export class Phone {
  /** @param {{ arrived(item: object): void, back(missed: number, ms: number): void, did(what: string, booking: object): void, failed(error: Error): void }} told */
  constructor(page, told) {
    this.page = page;
    this.told = told;
    this.cards = new Map();
    this.on = true;
    this.missed = null;
    this.client = deviceOf(HOST);
    this.client.addEventListener("notification", ({ detail }) => this.#arrive(detail));
    this.client.addEventListener("state", () => this.#state());
    page.bell.boundary = page.screen;
    page.bell.client = this.client;
    page.power.addEventListener("change", () => this.#power(page.power.checked));
    page.second.addEventListener("change", () => this.#second(page.second.checked));
    this.client.open();
    this.#state();
    this.#tick();
    setInterval(() => this.#tick(), 5000);
  }

  #power(on) {
    this.on = on;
    this.page.dark.hidden = on;
    this.page.screen.inert = !on;
    if (on) {
      this.missed = { count: 0, since: performance.now() };
      this.client.open();
    } else {
      this.page.bell.hide();
      this.client.close();
    }
  }

  // The same person elsewhere: what is read on one is read on the other, and one that answers is enough.
  #second(on) {
    const { device } = this.page;
    device.hidden = !on;
    this.laptop?.client.close();
    this.laptop?.remove();
    this.laptop = null;
    if (!on) return;
    this.laptop = make("bellhop-bell", { toasts: "off" });
    this.laptop.client = deviceOf(HOST);
    device.append(this.laptop);
    this.laptop.client.open();
  }

  #state() {
    const { state, transport } = this.client;
    this.page.line.textContent =
      state === "live" ? (LINES[transport] ?? "Connected") : state === "closed" ? "" : "No connection";
    this.page.line.classList.toggle("live", state === "live");
    if (state === "live" && this.missed) this.#caughtUp();
  }

  // What was missed comes at once after the connection stands; said when no more has come for a moment.
  #caughtUp() {
    const missed = this.missed;
    clearTimeout(this.settle);
    this.settle = setTimeout(() => {
      this.missed = null;
      this.told.back(missed.count, (missed.last ?? performance.now()) - missed.since);
    }, 250);
  }

  #arrive(item) {
    if (this.missed) {
      this.missed.count += 1;
      this.missed.last = performance.now();
      if (this.client.state === "live") this.#caughtUp();
    }
    this.told.arrived(item);
    if (item.type === "booking.created") this.#card(item);
    else if (item.type === "booking.cancelled") this.#settle(item.data.bookingId, "Cancelled by the guest");
  }

  #card(item) {
    const { bookingId } = item.data;
    const state = make("p", { class: "card-state", hidden: true });
    const act = (name, what, said) =>
      button(
        { class: `card-act ${what}` },
        (event) => this.#act(event.target, bookingId, what, said),
        name,
        make("span", { class: "hidden" }, ` ${item.message}`),
      );
    const acts = make(
      "div",
      { class: "card-acts" },
      act("Accept", "accept", "Accepted"),
      act("Decline", "cancel", "Declined"),
    );
    const card = make(
      "article",
      { class: "booking", "data-booking": bookingId },
      make("h3", {}, item.actorName ?? "A guest"),
      make("p", {}, item.message),
      acts,
      state,
    );
    this.cards.set(bookingId, { card, acts, state });
    this.page.quiet.hidden = true;
    this.page.cards.prepend(card);
    const [oldest] = this.cards.keys();
    if (this.cards.size > CARDS_MOST) {
      this.cards.get(oldest).card.remove();
      this.cards.delete(oldest);
    }
  }

  async #act(pressed, id, what, said) {
    pressed.disabled = true;
    try {
      this.told.did(what, id);
      await ask(HOST, `/bookings/${id}/${what}`, { method: "POST" });
      this.#settle(id, said);
    } catch (error) {
      pressed.disabled = false;
      this.told.failed(error);
    }
  }

  #settle(id, text) {
    const held = this.cards.get(id);
    if (!held) return;
    held.acts.remove();
    held.state.hidden = false;
    held.state.textContent = text;
  }

  #tick() {
    const now = new Date();
    this.page.clock.dateTime = now.toISOString();
    this.page.clock.textContent = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" }).format(
      now,
    );
  }
}
