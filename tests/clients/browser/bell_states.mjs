// The bell when it is not connected, and when the page moves, removes or replaces it.

import { counts, embed, must, says, shoot } from "./embed.mjs";
import { api, book, check, eventually, isAccessible, NETWORK, run, SITE, token } from "./support.mjs";

await run(async ({ context, proxy, expect }) => {
  expect(NETWORK);

  await check("a lost line is said, with since when; what was missed comes with the line", async () => {
    const here = await context();
    const page = await here.newPage();
    const bell = await embed(page, { token: await token("tunnel") });
    await book("tunnel");
    await says(bell.badge, "1");
    const sign = bell.find(".cut-off");
    must("no sign while it is live", (await sign.isVisible()) === false);

    proxy.refuse();
    proxy.cut();
    await eventually("the sign is there", () => sign.isVisible());
    await eventually("it is said", async () =>
      (await bell.find("[aria-live]").textContent()).startsWith("Not connected since"),
    );
    const name = await bell.button.getAttribute("aria-label");
    must(
      `the bell's name says so: ${name}`,
      /^Notifications, 1 unread, Not connected since \d\d?:\d\d [AP]M\. Shown is what was known then\.$/.test(
        name.replaceAll("\u202f", " "),
      ),
    );
    await bell.button.click();
    await eventually("the dropdown says so", () => bell.find("[part=offline]").isVisible());
    must("the list cannot be had, which is said", (await bell.find(".end p").textContent()) !== "");
    await isAccessible(page);
    await shoot(page, "offline");
    await book("tunnel");

    proxy.refuse(false);
    await bell.find("[part=retry]").click();
    await eventually("the sign goes", async () => (await bell.find("[part=offline]").isVisible()) === false);
    await says(bell.badge, "2");
    await counts(bell.items, 2);
    must("the sign on the bell is gone", (await sign.isVisible()) === false);
    must("and the bell's name", (await bell.button.getAttribute("aria-label")) === "Notifications, 2 unread");
    await here.close();
  });

  await check("what was missed and not read elsewhere comes as a toast, once", async () => {
    const here = await context();
    const bearer = await token("missed");
    const bell = await embed(await here.newPage(), { token: bearer });
    proxy.refuse();
    proxy.cut();
    await eventually("the sign is there", () => bell.find(".cut-off").isVisible());
    const { notification } = await book("missed", { listingName: "Read elsewhere" });
    await book("missed", { listingName: "Missed" });
    await api("/notifications/mark-read", { method: "POST", token: bearer, body: { ids: [notification.id] } });
    proxy.refuse(false);
    await bell.isLive();
    await eventually("one is shown", async () => (await bell.toasts.count()) > 0);
    await says(bell.badge, "1");
    must(
      "only what is news",
      (await bell.toasts.allTextContents()).map((text) => text.split(" is booked")[0]).join() === "New bookingMissed",
    );
    await here.close();
  });

  await check("“Try again” tries at once, and says that it does", async () => {
    const here = await context();
    const page = await here.newPage();
    const bell = await embed(page, { token: "", expectLive: false });
    await page.evaluate(
      async (bearer) => {
        const { Bellhop } = await import("/bellhop.js");
        Math.random = () => 1;
        window.own = new Bellhop({ token: bearer, timings: { retryFirst: 600_000, retryLongest: 600_000 } });
        window.own.open();
        document.querySelector("bellhop-bell").client = window.own;
      },
      await token("patient"),
    );
    await bell.isLive();
    proxy.refuse();
    proxy.cut();
    await bell.button.click();
    const retry = bell.find("[part=retry]");
    const told = bell.find("[part=offline] p");
    await eventually("that is said", async () => (await told.textContent()).startsWith("Not connected since"));
    await retry.click();
    await says(told, "Connecting…");
    await eventually("in vain", async () => (await told.textContent()).startsWith("Not connected since"));
    proxy.refuse(false);
    await retry.click();
    await bell.isLive();
    await eventually("the sign goes", async () => (await retry.isVisible()) === false);
    must(
      "focus stays in the dialog",
      await bell.host.evaluate((element) => element.shadowRoot.activeElement?.id === "panel"),
    );
    await page.evaluate(() => window.own.close());
    await here.close();
  });

  await check("nobody logged in is no alarm, and can log in", async () => {
    const here = await context();
    const page = await here.newPage();
    const bell = await embed(page, { token: "", expectLive: false });
    const wanted = "Log in to see your notifications.";
    await eventually(
      "the bell's name says so",
      async () => (await bell.button.getAttribute("aria-label")) === `Notifications, ${wanted}`,
    );
    must("there is no sign", (await bell.find(".cut-off").isVisible()) === false);
    await bell.button.click();
    await says(bell.find("[part=offline] p"), wanted);
    must("no list is missed", (await bell.find(".end").textContent()) === "");
    must("nothing is struck through", (await bell.find("[part=offline] .icon").isVisible()) === false);
    await isAccessible(page);
    await shoot(page, "nobody");
    await page.keyboard.press("Escape");
    const bearer = await token("later");
    await bell.host.evaluate((element, bearer) => (element.token = bearer), bearer);
    await bell.isLive();
    await here.close();
  });

  await check("who logs out leaves nothing on the screen", async () => {
    const here = await context();
    const page = await here.newPage();
    const bell = await embed(page, { token: "", expectLive: false });
    const bearer = await token("leaves", "PROFESSIONAL", { expiresIn: 8 });
    await bell.host.evaluate((element, bearer) => {
      let given = false;
      element.token = () => (given ? "" : ((given = true), bearer));
    }, bearer);
    await bell.isLive();
    await book("leaves");
    await says(bell.badge, "1");
    await bell.open();
    await counts(bell.items, 1);
    await says(bell.find("[part=offline] p"), "Log in to see your notifications.");
    await counts(bell.items, 0);
    must("no badge", (await bell.badge.isVisible()) === false);
    must("none by the property", (await bell.host.evaluate((element) => element.unread)) === 0);
    await here.close();
  });

  await check("by cookie, tabs that say whose it is share one connection", async () => {
    const here = await context();
    await here.addCookies([{ name: "token", value: await token("cookie"), url: SITE }]);
    const before = proxy.asked.get("GET /ws/notifications");
    const bells = [];
    for (let tab = 0; tab < 2; tab += 1) {
      bells.push(await embed(await here.newPage(), { attributes: { user: "cookie" } }));
    }
    await book("cookie");
    for (const bell of bells) await says(bell.badge, "1");
    must("there was one connection", proxy.asked.get("GET /ws/notifications") === before + 1);
    const leads = await Promise.all(bells.map((bell) => bell.host.evaluate((element) => element.client.leads)));
    must(`one leads: ${leads}`, leads.filter(Boolean).length === 1);
    await here.close();
  });

  await check("another token is another reader, of whom nothing of the first is shown", async () => {
    const here = await context();
    const page = await here.newPage();
    const bell = await embed(page, { token: await token("first") });
    await book("first");
    await says(bell.badge, "1");
    await bell.open();
    await counts(bell.items, 1);
    const other = await token("second");
    await bell.host.evaluate((element, bearer) => (element.token = bearer), other);
    await bell.isLive();
    must("no badge", (await bell.badge.isVisible()) === false);
    await bell.button.click();
    await eventually("an empty list", () => bell.find(".empty").isVisible());
    must("none of the first's", (await bell.items.count()) === 0);
    await here.close();
  });

  await check("moved in the page it keeps its connection; taken away it lets go, and comes back", async () => {
    const here = await context();
    const page = await here.newPage();
    const before = proxy.asked.get("GET /ws/notifications") ?? 0;
    const bell = await embed(page, { token: await token("moved") });
    await page.evaluate(() => {
      window.first = document.querySelector("bellhop-bell").client;
      document.querySelector("main").append(document.querySelector("bellhop-bell"));
    });
    await book("moved");
    await says(bell.badge, "1");
    await counts(bell.toasts, 1);
    must("there was one connection", proxy.asked.get("GET /ws/notifications") === before + 1);
    must(
      "it is the same client",
      await page.evaluate(() => document.querySelector("bellhop-bell").client === window.first),
    );

    await page.evaluate(() => {
      window.bell = document.querySelector("bellhop-bell");
      window.bell.remove();
    });
    await eventually("its client is closed", () => page.evaluate(() => window.first.state === "closed"));
    await page.evaluate(() => document.body.append(window.bell));
    await bell.isLive();
    await says(bell.badge, "1");
    await here.close();
  });

  await check("a client of the page's is shown, and is the page's to close", async () => {
    const here = await context();
    const page = await here.newPage();
    const bell = await embed(page, { token: "", expectLive: false });
    await page.evaluate(
      async (bearer) => {
        const { Bellhop } = await import("/bellhop.js");
        window.own = new Bellhop({ token: bearer, share: false });
        window.own.open();
        document.querySelector("bellhop-bell").client = window.own;
      },
      await token("own"),
    );
    await bell.isLive();
    await book("own");
    await says(bell.badge, "1");
    await page.evaluate(() => document.querySelector("bellhop-bell").remove());
    must("it is open still", (await page.evaluate(() => window.own.state)) === "live");
    await page.evaluate(() => window.own.close());
    await here.close();
  });
});
