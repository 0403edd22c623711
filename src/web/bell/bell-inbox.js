// What the bell knows of an inbox: the part of it that is shown, newest first, and the counts. It asks the client
// for pages and follows what the client hears; the dropdown only shows it. Not for what must be complete: the
// server's list is.

const PAGE = 20;

// More than anybody scrolls through in a dropdown, and few enough elements for a slow phone.
const MOST = 200;

// Several changes in a row are asked about once.
const COUNT_AFTER_MS = 200;

export class Inbox extends EventTarget {
  /** @param {import("../bellhop.js").Bellhop} client */
  constructor(client) {
    super();
    this.client = client;
    this.items = [];
    this.category = null;
    this.counts = null;
    /** Whether newer ones than those that are held were let go. */
    this.cut = false;
    /** Whether the last page could not be had. */
    this.failed = false;
    this.loading = false;
    this.loaded = false;
    this.cursor = null;
    /** Whether somebody looks, so that counts are asked for. */
    this.watched = false;
    this.asked = 0;
    this.countTimer = 0;
  }

  /** Whether there are older ones than those that are held, and somebody who may see them. */
  get hasMore() {
    return this.client.state !== "refused" && (!this.loaded || this.cursor !== null);
  }

  /** From the newest on, all or one category. What is shown stays until the first page is there. */
  async restart(category = this.category) {
    this.category = category;
    this.asked += 1;
    this.loading = false;
    this.countSoon();
    await this.#page(null);
  }

  /** The next page of older ones, unless it is on its way. */
  async more() {
    if (this.loading || !this.hasMore) return;
    await this.#page(this.loaded ? this.cursor : null);
  }

  async #page(cursor) {
    const asked = this.asked;
    this.loading = true;
    this.failed = false;
    this.#changed();
    try {
      const page = await this.client.list({
        limit: PAGE,
        ...(cursor && { cursor }),
        ...(this.category && { category: this.category }),
      });
      if (asked !== this.asked) return;
      this.#take(page, cursor === null);
    } catch {
      if (asked !== this.asked) return;
      this.failed = true;
    }
    this.loading = false;
    this.#changed();
  }

  #take({ items, nextCursor }, first) {
    if (first) {
      // What arrived while the page was on its way is newer than the page.
      const newest = items[0]?.seq ?? 0;
      const early = this.loaded ? this.items.filter((item) => item.seq > newest && this.#fits(item) && !this.cut) : [];
      this.items = [...early, ...items];
      this.cut = false;
    } else {
      const known = new Set(this.items.map((item) => item.id));
      this.items = [...this.items, ...items.filter((item) => !known.has(item.id))];
      if (this.items.length > MOST) {
        this.items = this.items.slice(PAGE);
        this.cut = true;
      }
    }
    this.cursor = nextCursor;
    this.loaded = true;
  }

  /** One that has just arrived. Where the newest are not shown, it waits there. */
  add(item) {
    this.countSoon();
    // What is passing has no seq and is in no inbox.
    if (item.seq === null || !this.loaded || this.cut || !this.#fits(item)) return;
    if (this.items.some((held) => held.id === item.id)) return;
    const at = this.items.findIndex((held) => held.seq < item.seq);
    this.items = this.items.toSpliced(at < 0 ? this.items.length : at, 0, item);
    // A tab that is left alone for weeks must not grow either.
    if (this.items.length > 2 * MOST) void this.restart();
    else this.#changed();
  }

  /** What this device or another has read, by ids or everything up to a seq. */
  read({ ids = [], upTo = 0 }) {
    this.items = this.items.map((item) =>
      !item.isRead && (item.seq <= upTo || ids.includes(item.id)) ? { ...item, isRead: true } : item,
    );
    this.countSoon();
    this.#changed();
  }

  /** What this device or another has deleted. */
  deleted({ ids = [], upTo = 0 }) {
    this.items = this.items.filter((item) => item.seq > upTo && !ids.includes(item.id));
    this.countSoon();
    this.#changed();
  }

  /** Nothing of it holds any more: another person, or another server. */
  forget() {
    this.asked += 1;
    clearTimeout(this.countTimer);
    this.countTimer = 0;
    Object.assign(this, { items: [], counts: null, category: null, cut: false, failed: false, loading: false });
    Object.assign(this, { loaded: false, cursor: null });
    this.#changed();
  }

  /** Asks for the counts by category, once for all that happens within a moment. */
  countSoon() {
    if (this.countTimer || !this.watched) return;
    this.countTimer = setTimeout(async () => {
      this.countTimer = 0;
      const asked = this.asked;
      try {
        const counts = await this.client.count();
        if (asked !== this.asked) return;
        this.counts = counts;
        this.#changed();
      } catch {
        // The old counts stay, beside a sign that says since when they are old.
      }
    }, COUNT_AFTER_MS);
  }

  #fits(item) {
    return this.category === null || item.category === this.category;
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
