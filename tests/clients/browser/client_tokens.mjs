// Who the browser client speaks for: tokens that are renewed before they end and after they were refused, tokens of
// somebody else, none at all, and the cookie.

import assert from "node:assert/strict";

import { openTab } from "./pages.mjs";
import { api, book, check, eventually, run, SITE, token } from "./support.mjs";

await run(async ({ context, expect, proxy }) => {
  // What Chromium writes about a 401 or 403, whatever a page does about it.
  expect(/^Failed to load resource: the server responded with a status of 40[13]/);
  const administrator = await token("admin-1", "ADMIN");
  const browser = await context();

  // Makes tokens and keeps why they were wanted.
  const minting = (user, options, make = () => token(user, "PROFESSIONAL", options)) => {
    const reasons = [];
    const mint = async (reason) => {
      reasons.push(reason);
      return make(reason, reasons.length);
    };
    return { mint, reasons };
  };
  const revoke = (user) => api(`/admin/users/${user}/revoke`, { method: "POST", token: administrator, body: {} });

  await check("a token is renewed before it ends, over the open WebSocket", async () => {
    const { mint, reasons } = minting("host-short", { expiresIn: 2 });
    const tab = await openTab(browser, "host-short", { mint });
    await tab.lives("websocket");
    await eventually("three tokens", () => reasons.length >= 3);
    assert.deepEqual(reasons.slice(0, 3), ["start", "expiring", "expiring"]);
    await book("host-short");
    await tab.has(1);
    const states = (await tab.seen("state")).map(({ state }) => state);
    assert.equal(states.filter((state) => state === "live").length, 1, states.join());
    assert.equal(proxy.asked.get("GET /ws/notifications"), 1);
    assert.deepEqual(await tab.seen("error"), []);
    await tab.page.close();
  });

  await check("a clock that is wrong makes nobody ask for tokens without end", async () => {
    for (const hours of [1, -1]) {
      const wrong = await context();
      await wrong.addInitScript((ahead) => {
        const { now } = Date;
        Date.now = () => now() + ahead;
      }, hours * 3_600_000);
      const user = `host-clock-${hours}`;
      const { mint, reasons } = minting(user, { expiresIn: 900 });
      const options = { transports: ["polling"] };
      const tabs = [await openTab(wrong, user, { mint, options }), await openTab(wrong, user, { mint, options })];
      for (const tab of tabs) {
        await tab.lives("polling");
        for (let call = 0; call < 3; call++) await tab.call("count");
      }
      const polls = proxy.asked.get("GET /notifications/count");
      await eventually("some polls", () => proxy.asked.get("GET /notifications/count") > polls + 8);
      assert.deepEqual(reasons, ["start", "start"]);
      await wrong.close();
    }
  });

  await check("a token that is refused is asked for again, and the call that met it is repeated", async () => {
    const { mint, reasons } = minting("host-401", {}, (_, number) => (number === 1 ? "no.such.token" : token("host-401")));
    const tab = await openTab(browser, "host-401", { mint });
    await tab.lives();
    assert.deepEqual(reasons, ["start", "rejected"]);
    assert.equal((await tab.standing()).user, "host-401");
    await tab.page.close();
  });

  await check("after all tokens were revoked it comes back with a new one", async () => {
    const { mint, reasons } = minting("host-revoked", {}, async (reason) => {
      // What is issued in the same second counts as before.
      const second = Math.floor(Date.now() / 1000);
      if (reason === "rejected") await eventually("another second", () => Math.floor(Date.now() / 1000) > second);
      return token("host-revoked");
    });
    const tab = await openTab(browser, "host-revoked", { mint });
    await tab.lives();
    await revoke("host-revoked");
    await eventually("it asks for another", () => reasons.includes("rejected"));
    await tab.lives();
    await book("host-revoked");
    await tab.has(1);
    assert.deepEqual(reasons, ["start", "rejected"]);
    await tab.page.close();
  });

  await check("with the same token again it is refused, and says so", async () => {
    const one = await token("host-same");
    const tab = await openTab(browser, "host-same", { mint: () => one });
    await tab.lives();
    await revoke("host-same");
    await tab.becomes({ state: "refused", reason: "token_revoked" });
    const error = await tab.page.evaluate(() => globalThis.bellhop.count().catch(({ status, code }) => ({ status, code })));
    assert.deepEqual(error, { status: 401, code: "token_revoked" });
    await tab.page.close();
  });

  await check("a token of another user is refused", async () => {
    const { mint } = minting("host-a", {}, (reason) => token(reason === "start" ? "host-a" : "host-b", "PROFESSIONAL", { expiresIn: 2 }));
    const tab = await openTab(browser, "host-a", { mint });
    await tab.lives();
    await tab.becomes({ state: "refused", reason: "other_user", user: "host-a" });
    // Here already: the server was not shown it.
    assert.deepEqual((await tab.seen("error")).map(({ code, status }) => [code, status]), [["other_user", 401]]);
    await tab.page.close();
  });

  await check("nobody logged in is refused; a callback that fails is asked again", async () => {
    const none = await openTab(browser, "nobody", { mint: () => null });
    await none.becomes({ state: "refused", reason: "token_missing" });
    await none.page.close();

    const { mint } = minting("host-flaky", {}, (_, number) => {
      if (number < 3) throw new Error("the login service is away");
      return token("host-flaky");
    });
    const tab = await openTab(browser, "host-flaky", { mint });
    await tab.lives();
    const errors = await tab.seen("error");
    assert.deepEqual(errors.map(({ code }) => code), ["token_callback", "token_callback"]);
    await tab.page.close();
  });

  await check("a request that is refused is a BellhopError with what the server says", async () => {
    const tab = await openTab(browser, "host-asks");
    await tab.lives();
    const errors = await tab.page.evaluate(async () => {
      const { BellhopError } = await import("/bellhop.js");
      const problem = (error) => {
        const { status, code, detail, field } = error;
        return { ours: error instanceof BellhopError, status, code, detail: detail.length > 0, field };
      };
      return Promise.all([
        globalThis.bellhop.fetch("/admin/presence").catch(problem),
        globalThis.bellhop.list({ limit: 1000 }).catch(problem),
        globalThis.bellhop.fetch("https://example.com/").catch(({ name }) => name),
      ]);
    });
    assert.deepEqual(errors, [
      { ours: true, status: 403, code: "forbidden", detail: true, field: null },
      { ours: true, status: 400, code: "invalid_query", detail: true, field: "limit" },
      "TypeError",
    ]);
    await tab.page.close();
  });
  expect(/status of 400/);

  await check("a cookie speaks for the user, and tabs that say who it is share a connection", async () => {
    const cookies = await context();
    await cookies.addCookies([{ name: "token", value: await token("host-cookie"), url: SITE }]);
    const options = { user: "host-cookie" };
    const tabs = [];
    for (let number = 0; number < 2; number++) tabs.push(await openTab(cookies, "host-cookie", { cookie: true, options }));
    for (const tab of tabs) await tab.lives("websocket");
    await book("host-cookie");
    for (const tab of tabs) await tab.has(1);
    const standings = await Promise.all(tabs.map((tab) => tab.standing()));
    assert.equal(standings.filter(({ leads }) => leads).length, 1);

    const alone = await openTab(cookies, "host-cookie", { cookie: true });
    await alone.becomes({ state: "live", leads: true, user: "host-cookie" });
    const polls = await openTab(cookies, "host-cookie", { cookie: true, options: { transports: ["polling"], since: 0 } });
    await polls.becomes({ state: "live", seq: 1, user: "host-cookie" });
    const wrong = await openTab(cookies, "host-else", { cookie: true, options: { user: "host-else" } });
    await wrong.becomes({ state: "refused", reason: "other_user" });
    assert.deepEqual(await wrong.seen("unread"), []);
  });

  await check("a cookie that changed hands shows and changes nothing of the other user's", async () => {
    const cookies = await context();
    const logIn = async (user) => cookies.addCookies([{ name: "token", value: await token(user), url: SITE }]);
    await logIn("host-älva");
    const tab = await openTab(cookies, "host-älva", { cookie: true });
    await tab.lives("websocket");
    assert.equal((await tab.call("count")).unread, 0);
    await book("host-after");
    await logIn("host-after");
    const error = await tab.page.evaluate(() =>
      globalThis.bellhop.markRead({ all: true }).catch(({ status, code }) => ({ status, code })),
    );
    assert.deepEqual(error, { status: 401, code: "other_user" });
    await tab.becomes({ state: "refused", reason: "other_user", user: "host-älva" });
    assert.equal((await api("/notifications/count", { token: await token("host-after") })).unread, 1);
  });
});
