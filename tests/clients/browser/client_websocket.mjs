// The browser client over its best door: what is pushed arrives, and a line that breaks, again and again, loses nothing and
// repeats nothing. And what the module is: small, and as its types say.

import assert from "node:assert/strict";
import http from "node:http";
import { gzipSync } from "node:zlib";

import { all, openTab } from "./pages.mjs";
import { api, book, check, eventually, NETWORK, run, settings, token } from "./support.mjs";

const COMPRESSED_MAX = 12_000;

const BOOKINGS = 60;
const CUTS = 12;

// How long the body is as it is answered to a browser.
function bytesOnTheWire(path) {
  return new Promise((resolve, reject) => {
    const headers = { "accept-encoding": "gzip, deflate, br, zstd" };
    const request = http.get(new URL(path, settings.server), { headers }, async (response) => {
      let bytes = 0;
      for await (const chunk of response) bytes += chunk.length;
      resolve(bytes);
    });
    request.on("error", reject);
  });
}

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
    await tab.becomes({ unread: 1 });
    assert.deepEqual(await tab.seen("unread"), [{ unread: 0 }, { unread: 1 }]);
    assert.equal((await tab.standing()).user, "host-1");
  });

  await check("the token is in no URL", async () => {
    for (const part of ["/notifications/tickets", "/ws/notifications?ticket="]) {
      assert.ok(tab.urls.some((url) => url.includes(part)), part);
    }
    // A JWT begins with {" in base64url.
    assert.deepEqual(tab.urls.filter((url) => /token=|eyJ/.test(url)), []);
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

  await check("an answer that comes late does not turn the count back", async () => {
    const tab = await openTab(browser, "host-badge");
    await tab.lives("websocket");
    for (let seq = 1; seq <= 2; seq++) await book("host-badge");
    await tab.becomes({ unread: 2 });
    // Marks as read, and has the answer wait until what happens meanwhile has been heard.
    const markLate = async (selection, unread, meanwhile) => {
      const marking = tab.page.evaluate((selection) => {
        const { fetch } = globalThis;
        const late = new Promise((resolve) => (globalThis.release = resolve));
        globalThis.fetch = async (...request) => {
          const response = await fetch(...request);
          await late;
          return response;
        };
        return globalThis.bellhop.markRead(selection).finally(() => (globalThis.fetch = fetch));
      }, selection);
      await tab.becomes({ unread });
      await meanwhile();
      const standing = await tab.standing();
      await tab.page.evaluate(() => globalThis.release());
      assert.equal((await marking).unread, unread);
      assert.equal((await tab.standing()).unread, standing.unread);
    };
    await markLate({ upTo: 1 }, 1, async () => {
      for (let seq = 3; seq <= 4; seq++) await book("host-badge");
      await tab.becomes({ unread: 3 });
    });
    await markLate({ upTo: 2 }, 2, async () => {
      const other = { token: await token("host-badge"), method: "POST", body: { all: true } };
      await api("/notifications/mark-read", other);
      await tab.becomes({ unread: 0 });
    });
    await tab.page.close();
  });

  await check("the module is under 12 KB compressed, and its types name what it has", async () => {
    const [module, types] = await Promise.all(
      ["/bellhop.js", "/bellhop.d.ts"].map(async (path) => (await fetch(new URL(path, settings.server))).text()),
    );
    assert.ok(gzipSync(module, { level: 9 }).length < COMPRESSED_MAX);
    assert.ok((await bytesOnTheWire("/bellhop.js")) < COMPRESSED_MAX);
    const there = await tab.page.evaluate(async () => {
      const module = await import("/bellhop.js");
      const { constructor, ...members } = Object.getOwnPropertyDescriptors(module.Bellhop.prototype);
      return { exported: Object.keys(module).sort(), members: Object.keys(members).sort() };
    });
    const exported = [...types.matchAll(/^export class (\w+)/gm)].map(([, name]) => name);
    assert.deepEqual(exported.sort(), there.exported);
    const [, body] = /^export class Bellhop [^{]*\{\n(.*?)^\}/ms.exec(types);
    const members = new Set([...body.matchAll(/^  (?:readonly )?(\w+)[<(:]/gm)].map(([, name]) => name));
    for (const name of ["constructor", "addEventListener"]) members.delete(name);
    assert.deepEqual([...members].sort(), there.members);
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

  await check("the browser says that it is offline, and the line is looked at there and then", async () => {
    const other = await context();
    const tab = await openTab(other, "host-train", { timings: { silence: 60_000 } });
    await tab.lives("websocket");
    proxy.silence();
    await other.setOffline(true);
    await tab.becomes({ state: "offline" }, 10_000);
    await book("host-train");
    proxy.silence(false);
    proxy.cut();
    await other.setOffline(false);
    await tab.lives();
    await tab.has(1);
    await other.close();
  });

  await check("who presses try again need not wait for the pause to be over", async () => {
    const timings = { retryFirst: 600_000, retryLongest: 600_000 };
    const tab = await openTab(await context(), "host-presses", { timings });
    await tab.lives();
    proxy.refuse();
    proxy.cut();
    await tab.becomes({ state: "connecting", reason: "lost" });
    proxy.refuse(false);
    await tab.call("open");
    await tab.lives();
    await tab.page.close();
  });
});
