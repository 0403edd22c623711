// The dropdown: a heading with what one can do to all, a line that says when it is not live, the categories, and
// the list. A non-modal dialog in the top layer: Escape and a press elsewhere close it, focus goes back to the bell.

import { button, icon, make } from "./bell-dom.js";
import { List } from "./bell-list.js";
import { soundWanted } from "./bell-sound.js";

export class Panel {
  /**
   * @param {import("./bell-inbox.js").Inbox} inbox
   * @param {import("./bell-language.js").Language} language
   * @param {object} acts what its buttons do, and the list's
   */
  constructor(inbox, language, acts) {
    this.inbox = inbox;
    this.language = language;
    this.acts = acts;
    this.list = new List(inbox, language, acts);
    this.chips = new Map();
    const say = (name) => language.say(name);
    const named = (name, part) => ({ class: "small", part, title: say(name), "aria-label": say(name) });

    // Said rather than switched off when there is nothing to mark: what is switched off loses the focus.
    this.readAll = button(
      named("markAll", "mark-all"),
      () => this.readAll.getAttribute("aria-disabled") === "true" || acts.readAll(),
      icon("checks"),
    );
    this.sound = button({ ...named("sound", "sound"), "aria-pressed": "false" }, () => {
      acts.sound(this.sound.getAttribute("aria-pressed") !== "true");
      this.renderSound();
    });
    this.preferences = button(named("preferences", "preferences"), () => acts.preferences(), icon("preferences"));
    const close = button(named("close", "close"), () => this.element.hidePopover(), icon("close"));
    const heading = make("h2", { id: "heading", part: "heading" }, say("notifications"));
    this.state = make("p", {});
    this.banner = make(
      "div",
      { class: "banner", part: "offline", hidden: true },
      icon("offline"),
      this.state,
      button({ class: "plain", part: "retry" }, () => acts.retry(), say("retry")),
    );
    this.problem = make("p", { class: "banner problem", role: "alert", hidden: true });
    this.filter = make("div", {
      class: "chips",
      part: "filter",
      role: "group",
      "aria-label": say("filter"),
      hidden: true,
    });
    this.element = make(
      "div",
      {
        id: "panel",
        class: "panel",
        part: "panel",
        popover: "auto",
        role: "dialog",
        "aria-labelledby": "heading",
        tabindex: "-1",
        autofocus: true,
      },
      make("div", { class: "header", part: "header" }, heading, this.readAll, this.sound, this.preferences, close),
      this.banner,
      this.problem,
      this.filter,
      this.list.element,
    );
    // From the dialog itself, where focus is first, the arrows lead into the list.
    this.element.addEventListener("keydown", (event) => {
      if (event.target !== this.element || !["ArrowDown", "Home"].includes(event.key)) return;
      event.preventDefault();
      this.list.focusFirst();
    });
    this.renderSound();
  }

  render() {
    this.list.render();
    const { category, counts, items } = this.inbox;
    const counted = category === null ? counts : counts && (counts.categories[category] ?? { unread: 0 });
    const unread = counted?.unread ?? items.filter((item) => !item.isRead).length;
    this.readAll.setAttribute("aria-disabled", String(unread === 0));
    this.#renderFilter(counts);
  }

  renderSound() {
    const on = soundWanted();
    this.sound.setAttribute("aria-pressed", String(on));
    this.sound.replaceChildren(icon(on ? "soundOn" : "soundOff"));
  }

  /** What is to be said of the connection; empty while it is live. What is no fault does not look like one. */
  renderState(text, calm) {
    // The button goes with what it was for, and leaves the focus in the dialog.
    if (text === "" && this.banner.contains(this.element.getRootNode().activeElement)) this.element.focus();
    this.banner.hidden = text === "";
    this.banner.classList.toggle("calm", calm);
    this.state.textContent = text;
  }

  /** What did not work, until the next thing that is done. */
  complain(text) {
    this.problem.hidden = text === "";
    this.problem.textContent = text;
  }

  // One chip a category, once there are two; its number is what is unread in it.
  #renderFilter(counts) {
    const names = Object.keys(counts?.categories ?? {}).sort();
    const chosen = this.inbox.category;
    if (chosen !== null && !names.includes(chosen)) names.push(chosen);
    this.filter.hidden = names.length < 2 && chosen === null;
    for (const [name, chip] of this.chips) {
      if (name !== null && !names.includes(name)) {
        chip.remove();
        this.chips.delete(name);
      }
    }
    for (const name of [null, ...names]) {
      const unread = name === null ? (counts?.unread ?? 0) : (counts?.categories[name]?.unread ?? 0);
      this.#chip(name, unread, name === chosen);
    }
  }

  #chip(name, unread, pressed) {
    const { language } = this;
    const held = this.chips.get(name);
    const chip = held ?? button({ class: "chip", part: "chip", dir: "auto" }, () => this.#choose(name));
    if (!held) {
      this.chips.set(name, chip);
      this.filter.append(chip);
    }
    const label = name === null ? language.say("all") : language.category(name);
    const number = make("span", { class: "number", "aria-hidden": true }, language.number.format(unread));
    const spoken = make("span", { class: "hidden" }, `, ${language.say("unread", { n: unread })}`);
    chip.setAttribute("aria-pressed", String(pressed));
    chip.replaceChildren(label, ...(unread > 0 ? [number, spoken] : []));
  }

  async #choose(name) {
    this.complain("");
    await this.inbox.restart(name);
    this.list.element.scrollTop = 0;
  }
}
