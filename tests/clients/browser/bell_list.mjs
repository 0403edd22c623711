// The bell's list: pages by cursor, days in the reader's zone and language, categories, reading and deleting here and
// on another device, and how few elements it keeps.

import { counts, embed, must, says } from "./embed.mjs";
import { api, check, eventually, run, token } from "./support.mjs";

await run(async ({ context, proxy }) => {
  const admin = await token("desk", "ADMIN");
  const publish = (userId, fields) =>
    api("/notifications", { method: "POST", token: admin, body: { userId, type: "note", ...fields } });
  const fill = async (userId, number) => {
    for (let at = 1; at <= number; at += 1) await publish(userId, { title: `Note ${at}` });
  };
  const titles = (bell) => bell.find("li .title").allTextContents();

  await check("older ones come as the end comes into sight, each once", async () => {
    await fill("endless", 50);
    const here = await context();
    const bell = await embed(await here.newPage(), { token: await token("endless") });
    await bell.open();
    await counts(bell.items, 20);
    must("what is out of sight is not asked for", proxy.asked.get("GET /notifications/list") === 1);
    const scroll = bell.find(".scroll");
    for (const number of [40, 50]) {
      await scroll.evaluate((element) => element.scrollTo(0, element.scrollHeight));
      await counts(bell.items, number);
    }
    const wanted = Array.from({ length: 50 }, (_, at) => `Note ${50 - at}`);
    must("all are there, newest first", (await titles(bell)).join() === wanted.join());
    must("three pages were asked for", proxy.asked.get("GET /notifications/list") === 3);

    const place = () => bell.items.nth(30).evaluate((item) => Math.round(item.getBoundingClientRect().top));
    await bell.items.nth(30).scrollIntoViewIfNeeded();
    const before = await bell.items.nth(30).locator(".title").textContent();
    const top = await place();
    await publish("endless", { title: "Note 51" });
    await counts(bell.items, 51);
    const after = await bell.items
      .nth(31)
      .evaluate((item) => [item.querySelector(".title").textContent, Math.round(item.getBoundingClientRect().top)]);
    must(
      `what is read stays where it is: ${top} and ${after[1]}`,
      after[0] === before && Math.abs(after[1] - top) <= 1,
    );
    must("no toast beside the open list", (await bell.toasts.count()) === 0);
    await here.close();
  });

  await check("far down, the newest are let go of, and there is a way back to them", async () => {
    const here = await context();
    const page = await here.newPage();
    const note = (seq) => ({
      id: `00000000-0000-7000-8000-${String(seq).padStart(12, "0")}`,
      seq,
      type: "note",
      category: "general",
      priority: "normal",
      title: `Note ${seq}`,
      message: "",
      data: null,
      timestamp: new Date(Date.now() - (1000 - seq) * 1000).toISOString(),
      isRead: true,
    });
    await page.route("**/notifications/list*", (route) => {
      const from = Number(new URL(route.request().url()).searchParams.get("cursor") ?? 1000);
      const items = Array.from({ length: 20 }, (_, at) => note(from - at));
      return route.fulfill({ json: { items, nextCursor: String(from - 20) } });
    });
    const bell = await embed(page, { token: await token("deep") });
    await bell.open();
    const last = bell.items.last().locator(".title");
    for (let oldest = 961; oldest >= 761; oldest -= 20) {
      await bell.find(".scroll").evaluate((element) => element.scrollTo(0, element.scrollHeight));
      await says(last, `Note ${oldest}`);
    }
    must(`there are ${await bell.items.count()}`, (await bell.items.count()) <= 200);
    await bell.find(".scroll > .wide").click();
    await says(bell.items.first().locator(".title"), "Note 1000");
    must("back at the beginning", (await bell.items.count()) === 20);
    await here.close();
  });

  await check("days are the reader's, by zone and language", async () => {
    for (const hour of ["a", "b", "c"]) await publish("days", { title: hour });
    const stamps = ["2026-03-10T01:30:00.000Z", "2026-03-09T20:00:00.000Z", "2026-03-08T12:00:00.000Z"];
    for (const [timezoneId, attributes, lang, wanted] of [
      ["Europe/Berlin", {}, "de", "Heute: c | Gestern: b | Sonntag, 8. März: a"],
      ["America/New_York", {}, "en", "Today: c, b | Yesterday: a"],
      ["America/New_York", { "time-zone": "Asia/Tokyo" }, "en", "Today: c, b | Sunday, March 8: a"],
      ["Europe/Berlin", { "time-zone": "No/Where" }, "fr", "Aujourd’hui: c | Hier: b | Dimanche 8 mars: a"],
    ]) {
      const here = await context({ timezoneId });
      const page = await here.newPage();
      await page.clock.setFixedTime("2026-03-10T03:00:00Z");
      const bearer = await token("days");
      const { items } = await api("/notifications/list", { token: bearer });
      items.forEach((item, at) => (item.timestamp = stamps[at]));
      await page.route("**/notifications/list*", (route) => route.fulfill({ json: { items, nextCursor: null } }));
      const bell = await embed(page, { token: bearer, lang, attributes });
      await bell.open();
      await counts(bell.items, 3);
      const days = await bell
        .find("section")
        .evaluateAll((days) =>
          days
            .map(
              (day) =>
                `${day.querySelector("h3").textContent}: ${[...day.querySelectorAll(".title")].map((title) => title.textContent).join(", ")}`,
            )
            .join(" | "),
        );
      must(`${timezoneId} ${lang}: ${days}`, days.replaceAll("'", "’") === wanted);
      const described = await bell.find("ul").first().getAttribute("aria-labelledby");
      must("a list is named by its day", (await bell.find("h3").first().getAttribute("id")) === described);
      await here.close();
    }
  });

  await check("categories filter, with the number of unread in each", async () => {
    for (const [title, category] of [
      ["A", "bookings"],
      ["B", "bookings"],
      ["C", "reviews"],
      ["D", "room-service"],
    ]) {
      await publish("kinds", { title, category });
    }
    const here = await context();
    const bell = await embed(await here.newPage(), { token: await token("kinds") });
    await bell.open();
    await counts(bell.find(".chip"), 4);
    const chips = async () =>
      (
        await bell
          .find(".chip")
          .evaluateAll((chips) => chips.map((chip) => chip.innerText.split(",")[0].replaceAll("\n", "").trim()))
      ).join("|");
    await eventually("the numbers are there", async () => (await chips()) === "All4|Bookings2|Reviews1|Room service1");
    await bell.find(".chip").nth(1).click();
    await eventually("bookings only", async () => (await titles(bell)).join() === "B,A");
    must("the chip says so", (await bell.find(".chip").nth(1).getAttribute("aria-pressed")) === "true");
    await publish("kinds", { title: "E", category: "reviews" });
    await publish("kinds", { title: "F", category: "bookings" });
    await eventually("only what fits is added", async () => (await titles(bell)).join() === "F,B,A");
    await eventually("the numbers follow", async () => (await chips()) === "All6|Bookings3|Reviews2|Room service1");
    await bell.find(".chip").nth(0).click();
    await eventually("all again", async () => (await titles(bell)).join() === "F,E,D,C,B,A");
    await here.close();
  });

  await check("“Mark all as read” marks what is shown: with a category, all of that and nothing else", async () => {
    await publish("partly", { title: "Booked", category: "bookings" });
    const reviews = Array.from({ length: 105 }, () => publish("partly", { title: "Reviewed", category: "reviews" }));
    await Promise.all(reviews);
    const here = await context();
    const bell = await embed(await here.newPage(), { token: await token("partly") });
    await bell.open();
    await counts(bell.find(".chip"), 3);
    await bell.find(".chip").nth(2).click();
    await eventually("reviews only", async () => new Set(await titles(bell)).size === 1);
    const markAll = bell.find("[part=mark-all]");
    await markAll.click();
    await eventually("none of them is unread", async () => (await bell.find("li.unread").count()) === 0);
    await eventually("nothing of it is left to mark", () => markAll.isDisabled());
    await says(bell.badge, "1");
    const { categories } = await api("/notifications/count", { token: await token("partly") });
    must(`the server says so: ${JSON.stringify(categories)}`, categories.reviews.unread + 1 === categories.bookings.unread);
    await bell.find(".chip").nth(0).click();
    await eventually("there is one of the others", async () => (await markAll.isDisabled()) === false);
    await here.close();
  });

  await check("what one reads stays where it is when the first in sight is deleted elsewhere", async () => {
    await fill("jumps", 40);
    const here = await context();
    const bearer = await token("jumps");
    const bell = await embed(await here.newPage(), { token: bearer });
    await bell.open();
    await counts(bell.items, 20);
    const scroll = bell.find(".scroll");
    await scroll.evaluate((element) => element.scrollTo(0, element.scrollHeight));
    await counts(bell.items, 40);
    // The fifteenth is half hidden under the edge, and was not the first to be shown.
    await scroll.evaluate((element) => {
      const half = element.querySelectorAll("li")[14].getBoundingClientRect();
      element.scrollTop += half.top + half.height / 2 - element.getBoundingClientRect().top;
    });
    const place = (id) => bell.find(`li[data-id="${id}"]`).evaluate((item) => item.getBoundingClientRect().top);
    const ids = await bell.items.evaluateAll((items) => items.map((item) => item.dataset.id));
    const before = await place(ids[15]);
    await api("/notifications/delete", { method: "POST", token: bearer, body: { ids: [ids[14]] } });
    await counts(bell.items, 39);
    const after = await place(ids[15]);
    must(`it was at ${before} and is at ${after}`, Math.abs(after - before) <= 1);
    // In its place the thirteenth came half into sight: it goes, and some far above it.
    await api("/notifications/delete", { method: "POST", token: bearer, body: { ids: [2, 9, 13].map((at) => ids[at]) } });
    await counts(bell.items, 36);
    const last = await place(ids[15]);
    must(`it was at ${before} and is at ${last} at last`, Math.abs(last - before) <= 1);
    await here.close();
  });

  await check("what is read or deleted on one device is so on the other", async () => {
    await fill("both", 4);
    const bells = [];
    const places = [await context(), await context()];
    for (const here of places) {
      const bell = await embed(await here.newPage(), { token: await token("both") });
      await bell.open();
      await counts(bell.items, 4);
      await says(bell.badge, "4");
      bells.push(bell);
    }
    const [one, other] = bells;
    const unread = (bell) => bell.find("li.unread .title").allTextContents();
    await one.items.nth(0).hover();
    await one.items.nth(0).locator(".small").nth(0).click();
    for (const bell of bells) {
      await says(bell.badge, "3");
      await eventually("one is read", async () => (await unread(bell)).join() === "Note 3,Note 2,Note 1");
    }
    await other.items.nth(1).locator(".main").click();
    for (const bell of bells)
      await eventually("opened is read", async () => (await unread(bell)).join() === "Note 2,Note 1");
    await other.items.nth(3).hover();
    await other.items.nth(3).locator(".small").nth(1).click();
    for (const bell of bells) {
      await eventually("one is gone", async () => (await titles(bell)).join() === "Note 4,Note 3,Note 2");
      await says(bell.badge, "1");
    }
    await one.find("[part=mark-all]").click();
    for (const bell of bells) {
      await eventually("all are read", async () => (await unread(bell)).length === 0);
      await eventually("no badge", async () => (await bell.badge.isVisible()) === false);
      await eventually("nothing is left to mark", () => bell.find("[part=mark-all]").isDisabled());
    }
    const left = await api("/notifications/list", { token: await token("both") });
    must("the server says so too", left.items.length === 3 && left.items.every((item) => item.isRead));
    for (const here of places) await here.close();
  });

  await check("a long message that leads nowhere is shown in full when it is pressed, and folds again", async () => {
    await publish("long", { title: "Terms", message: "All of it is to be read. ".repeat(60) });
    const here = await context();
    const bell = await embed(await here.newPage(), { token: await token("long") });
    await bell.open();
    const main = bell.items.first().locator(".main");
    const isCut = () => main.locator(".message").evaluate((text) => text.scrollHeight > text.clientHeight + 1);
    must("it is cut at first", await isCut());
    await main.click();
    await eventually("it is whole", async () => !(await isCut()));
    await main.click({ position: { x: 20, y: 20 } });
    await eventually("it is cut again", isCut);
    await here.close();
  });

  await check("what the server refuses is not shown as done", async () => {
    await fill("refused", 1);
    const here = await context();
    const page = await here.newPage();
    const bell = await embed(page, { token: await token("refused") });
    await bell.open();
    await counts(bell.items, 1);
    await page.route(/notifications\/(delete|[0-9a-f-]{36})$/, (route) =>
      route.fulfill({ status: 200, body: "not what was asked for" }),
    );
    await bell.items.first().hover();
    await bell.items.first().locator(".small").nth(1).click();
    await says(bell.find("[role=alert]"), "That did not work. Nothing was changed.");
    must("it is still there", (await bell.items.count()) === 1);
    await here.close();
  });

  await check("a page that cannot be had says so and can be asked for again", async () => {
    await fill("again", 2);
    const here = await context();
    const page = await here.newPage();
    const bell = await embed(page, { token: await token("again") });
    let broken = true;
    await page.route("**/notifications/list*", (route) =>
      broken ? route.fulfill({ status: 200, body: "no JSON" }) : route.continue(),
    );
    await bell.button.click();
    await says(bell.find(".end p"), "This could not be loaded.");
    broken = false;
    await bell.find(".end button").click();
    await counts(bell.items, 2);
    await here.close();
  });
});
