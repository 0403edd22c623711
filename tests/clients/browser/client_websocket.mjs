// The browser client over its best door: what is pushed arrives, and a line that breaks, again and again, loses nothing and
// repeats nothing.

import assert from "node:assert/strict";

import { all, openTab } from "./pages.mjs";
import { book, check, eventually, NETWORK, run } from "./support.mjs";

const BOOKINGS = 60;
const CUTS = 12;

await run(async ({ proxy, context, expect }) => {
  expect(NETWORK);
  const browser = await context();
  const tab = await openTab(browser, "host-1");

  await check("a booking is pushed over a WebSocket", async () => {
    await tab.lives("websocket");
    const { notification } = await book("host-1");
    await tab.has(1);
    const [given] = await tab.seen("notification");
    assert.equal(given.id, notification.id);
    assert.equal(given.type, "booking.created");
    assert.deepEqual(await tab.seen("unread"), [{ unread: 0 }, { unread: 1 }]);
    assert.equal((await tab.standing()).user, "host-1");
  });

  await check("the token is in no URL", async () => {
    const urls = await tab.page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name));
    assert.ok(urls.some((url) => url.endsWith("/notifications/tickets")));
    assert.ok(!urls.some((url) => /token|eyJ/.test(url)), urls.join());
  });

  await check("cut again and again while bookings flow, nothing is missed and nothing comes twice", async () => {
    let booked = 1;
    let cuts = 0;
    const cutting = (async () => {
      while (booked < BOOKINGS || cuts < CUTS) {
        await tab.lives();
        proxy.cutStreams();
        cuts += 1;
        await eventually("one more booking", () => booked >= BOOKINGS || booked >= cuts * (BOOKINGS / CUTS));
      }
    })();
    for (; booked < BOOKINGS; booked++) await book("host-1");
    await cutting;
    assert.ok(cuts >= CUTS);
    await tab.has(BOOKINGS);
    assert.deepEqual(await tab.seqs(), all(1, BOOKINGS));
    assert.deepEqual(await tab.seen("gap"), []);
  });

  await check("the page knows that the network is gone, and that it is back", async () => {
    proxy.refuse();
    proxy.cut();
    await tab.becomes({ state: "offline", transport: null });
    await book("host-1");
    proxy.refuse(false);
    await tab.lives();
    await tab.has(BOOKINGS + 1);
  });

  await check("a line that says nothing is found dead", async () => {
    proxy.silence();
    await tab.becomes({ state: "offline", reason: "silence" });
    await book("host-1");
    proxy.silence(false);
    proxy.cut();
    await tab.lives();
    await tab.has(BOOKINGS + 2);
    assert.deepEqual(await tab.seqs(), all(1, BOOKINGS + 2));
  });
});
