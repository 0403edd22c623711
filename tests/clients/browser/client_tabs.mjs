// Several tabs: one connection for those of one user, handed on when its tab goes; and never anything of one user's in
// another's tab.

import assert from "node:assert/strict";

import { all, openTab } from "./pages.mjs";
import { api, book, check, eventually, NETWORK, run, token } from "./support.mjs";

await run(async ({ proxy, context, expect }) => {
  expect(NETWORK);
  const administrator = await token("admin-1", "ADMIN");
  const browser = await context();

  const sessions = async (user) => {
    const presence = await api(`/admin/presence?userId=${user}`, { token: administrator });
    return presence.users.find(({ userId }) => userId === user)?.sessions.length ?? 0;
  };
  const leaders = async (tabs) => {
    const standings = await Promise.all(tabs.map((tab) => tab.standing()));
    return tabs.filter((_, index) => standings[index].leads);
  };

  const tabs = [];
  await check("three tabs hold one connection, and each is given everything", async () => {
    for (let number = 0; number < 3; number++) tabs.push(await openTab(browser, "host-tabs"));
    for (const tab of tabs) await tab.lives("websocket");
    assert.equal((await leaders(tabs)).length, 1);
    for (let seq = 1; seq <= 5; seq++) await book("host-tabs");
    for (const tab of tabs) {
      await tab.has(5);
      assert.deepEqual(await tab.seqs(), all(1, 5));
      await tab.becomes({ unread: 5, user: "host-tabs" });
    }
    assert.equal(await sessions("host-tabs"), 1);
  });

  await check("what is marked as read or deleted in one tab shows in the others", async () => {
    const answer = await tabs[1].call("markRead", { upTo: 2 });
    assert.equal(answer.unread, 3);
    const { items } = await tabs[2].call("list", { limit: 1 });
    await tabs[2].call("remove", { ids: [items[0].id] });
    for (const tab of tabs) {
      await tab.becomes({ unread: 2 });
      await eventually("it was told of both", async () => (await tab.seen("read")).length && (await tab.seen("deleted")).length);
      assert.deepEqual((await tab.seen("read")).map(({ ids }) => ids.length), [2]);
      assert.deepEqual((await tab.seen("deleted")).map(({ ids }) => ids), [[items[0].id]]);
    }
  });

  await check("a tab that comes late knows how things stand, and catches up with what the page says it has", async () => {
    const late = await openTab(browser, "host-tabs", { options: { since: 3 } });
    await late.becomes({ state: "live", unread: 2, seq: 5, leads: false });
    assert.deepEqual(await late.seqs(), [4]); // the fifth was deleted
    tabs.push(late);
  });

  await check("closing the tab that leads hands over, while bookings flow: nothing is lost, nothing comes twice", async () => {
    let last = 5;
    const flow = (async () => {
      while (last < 30) {
        await book("host-tabs");
        last += 1;
      }
    })();
    while (tabs.length > 1) {
      const [leader] = await eventually("somebody leads", async () => {
        const found = await leaders(tabs);
        return found.length === 1 && found;
      });
      await leader.page.close();
      tabs.splice(tabs.indexOf(leader), 1);
    }
    await flow;
    const [tab] = tabs;
    await tab.lives("websocket");
    await tab.has(last);
    const seqs = await tab.seqs();
    assert.deepEqual(seqs.filter((seq) => seq > 5), all(6, last));
    await eventually("one connection is left", async () => (await sessions("host-tabs")) === 1);
    await tab.page.close();
  });

  await check("a tab that hangs is relieved of the connection", async () => {
    const timings = { silence: 500, answer: 300 };
    const pair = [await openTab(browser, "host-hangs", { timings }), await openTab(browser, "host-hangs", { timings })];
    for (const tab of pair) await tab.lives();
    const [leader] = await leaders(pair);
    const other = pair.find((tab) => tab !== leader);
    const hanging = leader.page.evaluate(() => {
      const request = new XMLHttpRequest();
      request.open("GET", "/hang", false);
      request.send();
    });
    await other.becomes({ leads: true, state: "live" });
    const { notification } = await book("host-hangs");
    await other.has(notification.seq);
    proxy.release();
    await hanging;
    await leader.becomes({ leads: false, state: "live", seq: notification.seq });
    assert.deepEqual(await leader.seqs(), [1]);
    assert.deepEqual(await other.seqs(), [1]);
    for (const tab of pair) await tab.page.close();
  });

  await check("two users of one browser never hear of each other", async () => {
    const ann = [await openTab(browser, "ann"), await openTab(browser, "ann")];
    const bob = [await openTab(browser, "bob"), await openTab(browser, "bob")];
    for (const tab of [...ann, ...bob]) await tab.lives();
    assert.equal((await leaders(ann)).length, 1);
    assert.equal((await leaders(bob)).length, 1);
    await book("ann");
    await book("bob");
    await book("bob");
    for (const [user, tabs, last] of [["ann", ann, 1], ["bob", bob, 2]]) {
      for (const tab of tabs) {
        await tab.has(last);
        const given = await tab.seen("notification");
        assert.deepEqual(given.map(({ userId, seq }) => [userId, seq]), all(1, last).map((seq) => [user, seq]));
        await tab.becomes({ unread: last });
      }
    }
    await (await leaders(ann))[0].page.close();
    await eventually("the other tab of ann's leads", async () => {
      const left = ann.filter((tab) => !tab.page.isClosed());
      return (await leaders(left)).length === 1;
    });
    for (const tab of bob) assert.equal((await tab.seen("notification")).length, 2);
  });

  await check("a page that the browser puts away lets go of the connection, and goes on when it is taken out", async () => {
    const tab = await openTab(browser, "host-away");
    await tab.lives();
    for (const [away, back] of [["pagehide", "pageshow"], ["freeze", "resume"]]) {
      const happens = (type) =>
        tab.page.evaluate((type) => {
          const isOfPage = type.startsWith("page");
          const event = isOfPage ? new PageTransitionEvent(type, { persisted: true }) : new Event(type);
          (isOfPage ? globalThis : document).dispatchEvent(event);
        }, type);
      await happens(away);
      await eventually("no session is left", async () => (await sessions("host-away")) === 0);
      const { notification } = await book("host-away");
      await happens(back);
      await tab.has(notification.seq);
      await tab.lives();
    }
    assert.deepEqual(await tab.seqs(), [1, 2]);
    await tab.call("close");
    await tab.becomes({ state: "closed", leads: false });
    await eventually("no session is left", async () => (await sessions("host-away")) === 0);
    await tab.call("open");
    await tab.lives();
    await tab.page.close();
  });

  await check("an administrator disconnects a user: every tab stays away, says why, and may come again", async () => {
    const pair = [await openTab(browser, "host-out"), await openTab(browser, "host-out")];
    for (const tab of pair) await tab.lives();
    await api("/admin/users/host-out/disconnect", { method: "POST", token: administrator });
    for (const tab of pair) await tab.becomes({ state: "refused", reason: "disconnected", transport: null, leads: false });
    await eventually("no session is left", async () => (await sessions("host-out")) === 0);
    for (const tab of pair) await tab.call("open");
    for (const tab of pair) await tab.lives();
  });
});
