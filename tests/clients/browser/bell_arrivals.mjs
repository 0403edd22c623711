// The bell when something arrives: badge and toast in every tab, how toasts come and go, sound, and text that is not
// to be trusted.

import { counts, embed, must, says } from "./embed.mjs";
import { api, book, check, eventually, run, token } from "./support.mjs";

await run(async ({ context }) => {
  const admin = await token("desk", "ADMIN");
  const publish = (userId, fields) =>
    api("/notifications", { method: "POST", token: admin, body: { userId, type: "note", ...fields } });

  await check("a booking is a badge and a toast in every tab", async () => {
    const here = await context();
    const bearer = await token("two-tabs");
    const tabs = [];
    for (let tab = 0; tab < 2; tab += 1) tabs.push(await embed(await here.newPage(), { token: bearer }));
    const before = await tabs[0].button.boundingBox();
    must("an empty inbox has no badge", (await tabs[0].badge.isVisible()) === false);
    await book("two-tabs");
    for (const tab of tabs) {
      await says(tab.badge, "1");
      await counts(tab.toasts, 1);
      must("the toast says what", (await tab.toasts.textContent()).includes("Sea View"));
      must(
        "the bell's name says how many",
        (await tab.button.getAttribute("aria-label")) === "Notifications, 1 unread",
      );
      await eventually("it is said to screen readers", async () =>
        (await tab.find("[aria-live]").textContent()).startsWith("New booking. Sea View"),
      );
    }
    const after = await tabs[0].button.boundingBox();
    must("the badge moves nothing", JSON.stringify(before) === JSON.stringify(after));
    await here.close();
  });

  await check("toasts are few, wait under the pointer, and go by the button, Escape and by themselves", async () => {
    const here = await context();
    const page = await here.newPage();
    await page.clock.install();
    const bell = await embed(page, { token: await token("toasts") });
    // From here on time passes only when it is told to, however long the machine takes.
    await page.clock.pauseAt(Date.now() + 60_000);
    for (let at = 1; at <= 5; at += 1) await publish("toasts", { title: `Note ${at}` });
    await counts(bell.toasts, 3);
    await says(bell.find(".toast.rest"), "2 more");
    must("the newest is first", (await bell.toasts.first().textContent()).includes("Note 5"));

    await bell.toasts.first().hover();
    await page.clock.runFor(60_000);
    await counts(bell.toasts, 3);
    await bell.find(".toast .small").first().click();
    await counts(bell.toasts, 2);
    await bell.find(".toast .main").first().focus();
    await page.keyboard.press("Escape");
    await counts(bell.toasts, 1);
    await bell.toasts.first().hover();
    await bell.find(".toast .main").first().focus();
    await page.mouse.move(5, 400);
    await page.clock.runFor(60_000);
    await counts(bell.toasts, 1);
    await bell.button.focus();
    await page.clock.runFor(10_000);
    await counts(bell.toasts, 0);
    must("none of them was read by going", (await bell.badge.textContent()) === "5");

    // So much time may have passed for the page that it took its line for dead.
    const state = () => bell.host.evaluate((element) => element.client.state);
    await eventually("the bell is live", async () => (await state()) === "live" || page.clock.runFor(1000));
    await publish("toasts", { title: "Water is off", priority: "critical" });
    await counts(bell.toasts, 1);
    await page.clock.runFor(60_000);
    await counts(bell.toasts, 1);
    await here.close();
  });

  await check("what a toast is pressed for is told to the page, which may go there itself", async () => {
    const here = await context();
    const page = await here.newPage();
    const bell = await embed(page, {
      token: await token("press"),
      attributes: { "href-template": "/bookings/{data.bookingId}" },
    });
    await page.evaluate(() => {
      window.heard = [];
      document.addEventListener("bellhop-notification", (event) => window.heard.push(["arrived", event.detail.id]));
      document.addEventListener("bellhop-open", (event) => {
        window.heard.push(["opened", event.detail.id]);
        event.preventDefault();
      });
    });
    const { booking, notification } = await book("press");
    await counts(bell.toasts, 1);
    const link = await bell.find(".toast a.main").evaluate((a) => a.pathname);
    must("the link is the template's", link === `/bookings/${booking.id}`);
    const before = page.url();
    await bell.find(".toast .main").click();
    await eventually("opening reads", async () => (await bell.badge.isVisible()) === false);
    const heard = await page.evaluate(() => window.heard);
    must(
      "both events came, once each",
      JSON.stringify(heard) ===
        JSON.stringify([
          ["arrived", notification.id],
          ["opened", notification.id],
        ]),
    );
    must("the page stayed", page.url() === before);
    await here.close();
  });

  await check("what was dealt with elsewhere, or is shown by the page, needs no toast", async () => {
    const here = await context();
    const page = await here.newPage();
    const bearer = await token("elsewhere");
    const bell = await embed(page, { token: bearer });
    const { notification } = await book("elsewhere");
    await book("elsewhere");
    await counts(bell.toasts, 2);
    await api("/notifications/mark-read", { method: "POST", token: bearer, body: { ids: [notification.id] } });
    await counts(bell.toasts, 1);
    await api("/notifications/delete", { method: "POST", token: bearer, body: { all: true } });
    await counts(bell.toasts, 0);

    await page.evaluate(() =>
      document.addEventListener("bellhop-notification", (event) => event.preventDefault(), { once: true }),
    );
    await publish("elsewhere", { title: "Shown by the page" });
    await publish("elsewhere", { title: "Shown by the bell" });
    await eventually(
      "the second is shown",
      async () => (await bell.find(".toast .title").allTextContents()).join() === "Shown by the bell",
    );
    await says(bell.badge, "2");
    await here.close();
  });

  await check("a link that is followed has been read", async () => {
    const here = await context();
    const page = await here.newPage();
    const bearer = await token("follows");
    const bell = await embed(page, {
      token: bearer,
      attributes: { "href-template": "/blank?booking={data.bookingId}" },
    });
    const { booking } = await book("follows");
    await counts(bell.toasts, 1);
    await bell.find(".toast .main").click();
    await page.waitForURL(`**/blank?booking=${booking.id}`);
    await eventually("it is read", async () => (await api("/notifications/count", { token: bearer })).unread === 0);
    await here.close();
  });

  await check("text stays text, and only web addresses are links", async () => {
    const here = await context();
    const page = await here.newPage();
    const bell = await embed(page, { token: await token("careful") });
    const evil = '<img src=x onerror="window.hit=1"><b>bold</b>';
    await publish("careful", {
      title: evil,
      message: evil,
      actorName: evil,
      category: "a-b",
      data: { url: "javascript:window.hit=1" },
    });
    await publish("careful", { title: "Good", data: { url: "https://example.org/a?b=1" } });
    await counts(bell.toasts, 2);
    await bell.open();
    await counts(bell.items, 2);
    await says(bell.find(".title").nth(1), evil);
    must("no markup came of it", (await bell.find("img, b, script").count()) === 0);
    must("a script's address is no link", (await bell.items.nth(1).locator("a").count()) === 0);
    must(
      "a web address is",
      (await bell.items.nth(0).locator("a").getAttribute("href")) === "https://example.org/a?b=1",
    );
    await bell.items.nth(1).locator(".main").click();
    must("nothing of it ran", (await page.evaluate(() => window.hit)) === undefined);
    await here.close();
  });

  await check("a template fills in pieces, never paths, and lacks nothing", async () => {
    const here = await context();
    const page = await here.newPage();
    const bell = await embed(page, {
      token: await token("pieces"),
      attributes: { "href-template": "/b/{data.bookingId}?t={type}" },
    });
    await publish("pieces", { title: "Path", data: { bookingId: "../../admin?x#y" } });
    await publish("pieces", { title: "Up", data: { bookingId: ".." } });
    await publish("pieces", { title: "None", data: {} });
    await bell.open();
    await counts(bell.items, 3);
    const links = await bell.items.evaluateAll((items) =>
      items.map((item) => item.querySelector("a")?.getAttribute("href") ?? null),
    );
    must(
      `links are ${links}`,
      links[0] === null && links[1] === null && links[2].endsWith("/b/..%2F..%2Fadmin%3Fx%23y?t=note"),
    );
    await here.close();
  });

  await check("there is no sound before it is switched on, and the choice is remembered", async () => {
    const here = await context();
    await here.addInitScript(() => {
      window.tones = 0;
      const Real = window.AudioContext;
      window.AudioContext = class extends Real {
        createOscillator() {
          window.tones += 1;
          return super.createOscillator();
        }
      };
    });
    let page = await here.newPage();
    const bearer = await token("sound");
    let bell = await embed(page, { token: bearer });
    const tones = () => page.evaluate(() => window.tones);
    await page.mouse.click(5, 5);
    await book("sound");
    await counts(bell.toasts, 1);
    must("an arrival is silent", (await tones()) === 0);
    await bell.open();
    await bell.find("[part=sound]").click();
    await eventually("switched on, it is heard", async () => (await tones()) === 2);
    await book("sound");
    await eventually("an arrival is heard", async () => (await tones()) === 4);

    await page.close();
    page = await here.newPage();
    bell = await embed(page, { token: bearer });
    await bell.open();
    must("the choice was remembered", (await bell.find("[part=sound]").getAttribute("aria-pressed")) === "true");
    await book("sound");
    await eventually("an arrival is heard again", async () => (await tones()) === 2);
    await here.close();
  });

  await check("a badge has room for 99", async () => {
    const here = await context();
    const many = Array.from({ length: 100 }, (_, at) => `Note ${at}`);
    await Promise.all(many.map((title) => publish("many", { title })));
    const bell = await embed(await here.newPage(), { token: await token("many"), lang: "de" });
    await says(bell.badge, "99+");
    must(
      "its name has the number",
      (await bell.button.getAttribute("aria-label")) === "Benachrichtigungen, 100 ungelesen",
    );
    await here.close();
  });
});
