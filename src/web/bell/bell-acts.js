// What a reader does with the bell: opening, reading, deleting, and going to the preferences. The server is asked
// first and shown after: what is on the screen is what is true.

import { webAddress } from "./bell-dom.js";

// What one page of the list may have, and how many of them one request may name together.
const PAGE = 100;
const PAGES = 10;

export class Acts {
  #host;
  #client;
  #inbox;
  #language;
  #shows;

  /**
   * @param {HTMLElement & { opened: boolean, hide(): void }} host the bell itself
   * @param {{ client: import("../bellhop.js").Bellhop, inbox: import("./bell-inbox.js").Inbox }} knows
   * @param {import("./bell-language.js").Language} language
   * @param {{ say(text: string): void, complain(text: string): void }} shows what became of it
   */
  constructor(host, { client, inbox }, language, shows) {
    this.#host = host;
    this.#client = client;
    this.#inbox = inbox;
    this.#language = language;
    this.#shows = shows;
  }

  /** Opening reads. Where it leads is up to the page first, then to the link that was pressed. */
  open(item, event) {
    const asked = new CustomEvent("bellhop-open", { detail: item, bubbles: true, composed: true, cancelable: true });
    const goes = this.#host.dispatchEvent(asked);
    if (!goes) event.preventDefault();
    if (!item.isRead && item.seq !== null) void this.read(item);
    if (!goes && this.#host.opened) this.#host.hide();
  }

  async read(item) {
    await this.#change(
      () => this.#client.markRead({ ids: [item.id] }),
      (done) => this.#inbox.read(done),
    );
  }

  async remove(item) {
    await this.#change(
      () => this.#client.remove({ ids: [item.id] }),
      (done) => {
        this.#inbox.deleted(done);
        this.#shows.say(this.#language.say("removed"));
      },
    );
  }

  /** All that is unread; where a category is chosen, all of that. */
  async readAll() {
    const { category, items } = this.#inbox;
    const upTo = items[0]?.seq ?? 0;
    await this.#change(
      async () => {
        if (category !== null) return this.#readCategory(category);
        await this.#client.markRead({ all: true });
        return { upTo };
      },
      (done) => {
        this.#inbox.read(done);
        this.#shows.say(this.#language.say("allRead"));
      },
    );
  }

  // The server marks by ids or up to a place in the inbox, not by category: so they are looked up. More than a
  // thousand unread of one category take a second press.
  async #readCategory(category) {
    const ids = [];
    let cursor = null;
    for (let pages = 0; pages < PAGES; pages += 1) {
      const page = await this.#client.list({ limit: PAGE, unread: true, category, cursor });
      ids.push(...page.items.map((item) => item.id));
      cursor = page.nextCursor;
      if (!cursor) break;
    }
    return ids.length > 0 ? this.#client.markRead({ ids }) : { ids };
  }

  /** A tab may only be opened while the press is fresh: so it is opened first and led to its place afterwards. */
  async preferences() {
    const own = webAddress(this.#host.getAttribute("preferences-url"));
    if (own) return void window.open(own, "_blank", "noopener");
    const tab = window.open("", "_blank");
    if (tab) tab.opener = null;
    const went = await this.#change(
      async () => {
        const answer = await this.#client.fetch("/notifications/preferences/link", { method: "POST" });
        // Where the server does not know its own address, it says where on it the page is.
        const url = webAddress((await answer.json()).url, answer.url);
        if (url === null) throw new Error("the server's answer has no address");
        return url;
      },
      (url) => (tab ? tab.location.replace(url) : window.open(url, "_blank", "noopener")),
    );
    if (!went) tab?.close();
  }

  // Answers whether it worked.
  async #change(ask, show) {
    this.#shows.complain("");
    try {
      show(await ask());
      return true;
    } catch {
      this.#shows.complain(this.#language.say("notDone"));
      return false;
    }
  }
}
