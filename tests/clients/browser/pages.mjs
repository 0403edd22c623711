// A page that holds the client and writes down what it is given, for the scripts about bellhop.js.

import { EVENTUALLY_MS, SITE, token } from "./support.mjs";

// Shorter than in life, so that no check waits for a quarter of a minute.
const TIMINGS = { connect: 2_000, silence: 3_000, answer: 600, request: 2_000, retryLongest: 1_000, poll: 200, better: 60_000 };

// Opens a tab with a client for `user`, on a page of the origin `at`. `mint` makes the tokens, and is told why one is wanted;
// with `cookie` there is none. `options` are the client's.
export async function openTab(
  context,
  user,
  { at = SITE, mint = () => token(user), cookie = false, options = {}, timings = {} } = {},
) {
  const page = await context.newPage();
  const urls = [];
  const statuses = [];
  page.on("request", (request) => urls.push(request.url()));
  page.on("response", (response) => statuses.push(response.status()));
  page.on("websocket", (socket) => urls.push(socket.url()));
  await page.exposeFunction("mint", mint);
  await page.goto(`${at}/blank`);
  await page.evaluate(
    async ([module, options, cookie]) => {
      const { Bellhop } = await import(module);
      const bellhop = new Bellhop({ ...options, ...(!cookie && { token: (reason) => globalThis.mint(reason) }) });
      const seen = { notification: [], unread: [], read: [], deleted: [], state: [], gap: [], error: [] };
      for (const [type, list] of Object.entries(seen)) {
        bellhop.addEventListener(type, ({ detail }) => {
          list.push(type === "error" ? { code: detail.code, status: detail.status, detail: detail.detail } : detail);
        });
      }
      Object.assign(globalThis, { bellhop, seen });
      bellhop.open();
    },
    [`${SITE}/bellhop.js`, { timings: { ...TIMINGS, ...timings }, ...options }, cookie],
  );
  return new Tab(page, urls, statuses);
}

export class Tab {
  // `urls` is everything that the page asked for, `statuses` how it was answered.
  constructor(page, urls, statuses) {
    this.page = page;
    this.urls = urls;
    this.statuses = statuses;
  }

  // How the client stands.
  async standing() {
    return this.page.evaluate(() => {
      const { state, reason, transport, leads, user, seq, unread } = globalThis.bellhop;
      return { state, reason, transport, leads, user, seq, unread };
    });
  }

  // What it gave under this name so far.
  async seen(type) {
    return this.page.evaluate((type) => globalThis.seen[type], type);
  }

  async seqs() {
    return this.page.evaluate(() => globalThis.seen.notification.map(({ seq }) => seq));
  }

  // Waits until the client stands like this.
  async becomes(wanted, deadline = EVENTUALLY_MS) {
    const handle = this.page.waitForFunction(
      (wanted) => Object.entries(wanted).every(([name, value]) => globalThis.bellhop[name] === value),
      wanted,
      { timeout: deadline, polling: 20 },
    );
    await handle.catch(async (error) => {
      const [standing, states, errors] = await Promise.all([this.standing(), this.seen("state"), this.seen("error")]);
      throw new Error(`${error.message}: wanted ${JSON.stringify(wanted)}, is ${JSON.stringify({ standing, states, errors })}`);
    });
  }

  async lives(transport, deadline) {
    await this.becomes(transport ? { state: "live", transport } : { state: "live" }, deadline);
  }

  // Waits until the client has given everything up to `seq`.
  async has(seq, deadline) {
    await this.becomes({ seq }, deadline);
  }

  // Calls one of the client's methods.
  async call(method, ...args) {
    return this.page.evaluate(([method, args]) => globalThis.bellhop[method](...args), [method, args]);
  }
}

// 1, 2, 3 … up to `last`, from `first`.
export function all(first, last) {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}
