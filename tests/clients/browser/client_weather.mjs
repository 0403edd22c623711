// The browser client in bad weather: several tabs, a network that is cut, silenced, refused, blocked and opened at random,
// tabs that come and go, while bookings flow. Whatever happened, each tab was given 1, 2, 3 … What failed names its seed,
// which as `seed` in the argument makes the same weather again.

import assert from "node:assert/strict";

import { all, openTab } from "./pages.mjs";
import { book, check, run, settings } from "./support.mjs";

const WEATHER_MS = 8_000;
const TABS_MAX = 4;
// Below what one user may ask for in a minute.
const BOOK_EVERY_MS = 50;
const TIMINGS = { connect: 1_000, silence: 1_500, answer: 400, request: 1_500, better: 500, poll: 150 };

const seed = settings.seed ?? Math.floor(Math.random() * 2 ** 31);

// A linear congruential generator (Numerical Recipes): whole numbers below `limit`.
let state = seed;
function random(limit) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * limit);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

await run(async ({ proxy, context, expect }) => {
  expect(/./); // Chromium comments on each failure in its own words
  const browser = await context();
  const tabs = [];
  const gone = [];
  const open = async () => tabs.push(await openTab(browser, "host-storm", { timings: TIMINGS, options: { since: 0 } }));
  const some = () => tabs[random(tabs.length)];
  const happens = (tab, type, init) =>
    tab.page.evaluate(([type, init]) => {
      globalThis.dispatchEvent(init ? new PageTransitionEvent(type, init) : new Event(type));
    }, [type, init]);
  // For the page itself to come, the network has to be fair.
  const fair = () => {
    proxy.silence(false);
    proxy.refuse(false);
    proxy.busy(null);
  };
  const weather = [
    () => proxy.cutStreams(),
    () => proxy.cut(),
    () => proxy.silence(),
    () => proxy.refuse(),
    () => proxy.busy(1),
    fair,
    fair,
    ...["pass", "block", "hold"].flatMap((fate) => [() => proxy.websockets(fate), () => proxy.streams(fate)]),
    async () => {
      fair();
      if (tabs.length < TABS_MAX) await open();
    },
    async () => {
      if (tabs.length < 3) return;
      const [tab] = tabs.splice(random(tabs.length), 1);
      gone.push(await tab.seqs());
      await tab.page.close();
    },
    async () => {
      const tab = some();
      await happens(tab, "pagehide", { persisted: true });
      await pause(random(300));
      await happens(tab, "pageshow", { persisted: true });
    },
    async () => {
      const tab = some();
      await tab.call("close");
      await tab.call("open");
    },
    () => happens(some(), ["online", "offline"][random(2)]),
  ];

  await check("whatever becomes of network and tabs, each tab is given everything once and in order", async () => {
    for (let number = 0; number < 3; number++) await open();
    let last = 0;
    let isOver = false;
    const flow = (async () => {
      while (!isOver) {
        last = (await book("host-storm")).notification.seq;
        await pause(BOOK_EVERY_MS);
      }
    })();
    const until = Date.now() + WEATHER_MS;
    while (Date.now() < until) {
      await weather[random(weather.length)]();
      await pause(random(300));
    }
    isOver = true;
    await flow;
    fair();
    proxy.websockets("pass");
    proxy.streams("pass");
    for (const tab of tabs) {
      await tab.has(last, 40_000).catch((error) => assert.fail(`with seed ${seed}: ${error.message}`));
      gone.push(await tab.seqs());
      assert.deepEqual(await tab.seen("gap"), []);
    }
    for (const seqs of gone) assert.deepEqual(seqs, all(1, seqs.length), `with seed ${seed}`);
  }, 100_000);
});
