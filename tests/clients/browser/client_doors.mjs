// The browser client where the network lets less through: an event stream where WebSockets are blocked, polling where
// streams are held back as well, and the better door again once it is open. Receipt is proven over each of them.

import assert from "node:assert/strict";

import { all, openTab } from "./pages.mjs";
import { api, book, check, eventually, FOREIGN, NETWORK, run, token } from "./support.mjs";

// So long that a stream is not opened anew meanwhile, which proves receipt as well.
const PATIENT = { silence: 60_000 };

await run(async ({ proxy, context, expect }) => {
  expect(NETWORK);
  // What Chromium writes about the proxy's answers.
  expect(/Unexpected response code: 403|status of 403|status of 503/);
  const administrator = await token("admin-1", "ADMIN");
  const browser = await context();

  const isConfirmed = ({ id }) =>
    eventually("the server has it as confirmed", async () => {
      const trail = await api(`/admin/notifications/${id}/trail`, { token: administrator });
      return trail.state === "confirmed" || trail.delivery?.state === "confirmed";
    });

  await check("with WebSockets blocked it comes by an event stream, is confirmed, and survives cuts", async () => {
    proxy.websockets("block");
    const tab = await openTab(browser, "host-sse", { timings: PATIENT });
    await tab.lives("sse");
    const { notification } = await book("host-sse");
    await tab.has(1);
    await isConfirmed(notification);
    for (let seq = 2; seq <= 12; seq++) {
      if (seq % 3 === 0) proxy.cutStreams();
      await book("host-sse");
    }
    await tab.has(12);
    assert.deepEqual(await tab.seqs(), all(1, 12));
    assert.equal((await tab.standing()).transport, "sse");
    await tab.page.close();
  });

  await check("with streams blocked or held back as well it is polled, and confirmed", async () => {
    proxy.streams("block");
    const blocked = await openTab(browser, "host-blocked");
    await blocked.lives("polling");
    await blocked.page.close();
    proxy.websockets("hold");
    proxy.streams("hold");
    const tab = await openTab(browser, "host-polls", { timings: { connect: 1_000 } });
    await tab.lives("polling");
    const { notification } = await book("host-polls");
    await tab.has(1);
    await isConfirmed(notification);
    for (let seq = 2; seq <= 5; seq++) await book("host-polls");
    await tab.has(5);
    assert.deepEqual(await tab.seqs(), all(1, 5));
    await tab.becomes({ unread: 5 });
    await tab.page.close();
  });

  await check("what is marked as read over polling shows in the other tab as well", async () => {
    const tabs = [];
    for (let number = 0; number < 2; number++) tabs.push(await openTab(browser, "host-polls", { timings: { connect: 1_000 } }));
    for (const tab of tabs) await tab.lives("polling");
    await tabs[1].call("markRead", { upTo: 3 });
    for (const tab of tabs) {
      await tab.becomes({ unread: 2 });
      assert.equal((await tab.seen("read")).length, 1);
      await tab.page.close();
    }
  });

  await check("it goes back to the WebSocket by itself, and the page notices nothing", async () => {
    proxy.websockets("block");
    proxy.streams("pass");
    const tab = await openTab(browser, "host-better", { timings: { better: 300 } });
    await tab.lives("sse");
    await book("host-better");
    proxy.websockets("pass");
    await tab.lives("websocket");
    await book("host-better");
    await tab.has(2);
    assert.deepEqual(await tab.seqs(), [1, 2]);
    const states = (await tab.seen("state")).map(({ state }) => state);
    assert.deepEqual(states.filter((state) => state !== "connecting"), ["live", "live"], states.join());
    await tab.page.close();
  });

  await check("a page of another origin may use every door, and a poll costs nothing while nothing happens", async () => {
    for (const door of ["websocket", "sse", "polling"]) {
      const user = `host-elsewhere-${door}`;
      const tab = await openTab(browser, user, { at: FOREIGN, options: { transports: [door] } });
      await tab.lives(door);
      await book(user);
      await tab.has(1);
      assert.equal((await tab.call("markRead", { all: true })).unread, 0);
      if (door === "polling") await eventually("a poll is answered 304", () => tab.statuses.includes(304));
      await tab.page.close();
    }
  });

  await check("what a stream loses is spotted and fetched, and confirmed although the stream does not prove it", async () => {
    for (const [door, transports] of [["websocket", ["websocket"]], ["sse", ["sse"]]]) {
      const user = `host-hole-${door}`;
      const tab = await openTab(browser, user, { options: { transports }, timings: PATIENT });
      await tab.lives(door);
      await book(user);
      await tab.has(1);
      proxy.swallow("booking.created");
      const lost = await book(user);
      await book(user);
      await tab.has(3);
      assert.deepEqual(await tab.seqs(), [1, 2, 3]);
      await isConfirmed(lost.notification);
      await tab.page.close();
    }
  });

  await check("what was deleted leaves a hole in a replay that is none", async () => {
    const tab = await openTab(browser, "host-deletes");
    await tab.lives("websocket");
    for (let seq = 1; seq <= 4; seq++) await book("host-deletes");
    await tab.has(4);
    const { items } = await tab.call("list");
    await tab.call("remove", { ids: [items[0].id, items[2].id] });
    const late = await openTab(await context(), "host-deletes", { options: { since: 0 } });
    await late.lives("websocket");
    await late.has(4);
    await book("host-deletes");
    await late.has(5);
    assert.deepEqual(await late.seqs(), [1, 3, 5]);
    assert.deepEqual(late.urls.filter((url) => url.includes("/notifications/list")), []);
    await Promise.all([tab.page.close(), late.page.close()]);
  });

  await check("a server that says when to come is asked no sooner", async () => {
    const tab = await openTab(browser, "host-later");
    await tab.lives();
    const tickets = () => proxy.times.get("POST /notifications/tickets");
    const before = tickets().length;
    proxy.busy(1);
    proxy.cut();
    await tab.becomes({ state: "offline", reason: "http_503" });
    await eventually("it asks twice", () => tickets().length >= before + 2);
    const [first, second] = tickets().slice(before);
    assert.ok(second - first >= 1_000, `after ${second - first} ms`);
    proxy.busy(null);
    await tab.lives();
    await tab.page.close();
  });
}, { pages: { "/blank": '<!doctype html><html lang="en"><title>Elsewhere</title>' } });
