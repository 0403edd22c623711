// The log and the trail: a booking appears by itself, its trail says which device confirmed it and when, filters
// narrow the list and are in the address, the mail is told from the push, text of others stays text, and all of it by
// keyboard.

import { SITE, api, book, check, eventually, run, token } from "./support.mjs";

const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=2</script>';

function listenAsHost(page, token) {
  return page.evaluate(
    (token) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(`/ws/notifications?token=${token}`);
        socket.onopen = resolve;
        socket.onerror = reject;
      }),
    token,
  );
}

await run(async ({ context, expect }) => {
  const browser = await context();
  const device = await browser.newPage();
  await device.goto(`${SITE}/blank`);
  await listenAsHost(device, await token("log-host"));
  const desk = await browser.newPage();
  const admin = await token("demo-admin", "ADMIN");
  await desk.addInitScript((token) => sessionStorage.setItem("bellhop.desk.token", token), admin);
  await desk.goto(`${SITE}/admin#/log`);
  const rows = desk.getByRole("row").filter({ hasNot: desk.getByRole("columnheader") });
  let booked;

  await check("an empty log says that it is one", async () => {
    await desk.getByText("No notification yet.").waitFor();
  });

  await check("a booking appears by itself, confirmed by the device", async () => {
    await api("/notifications/count", {
      token: await token("away-host", "PROFESSIONAL", { email: "away-host@example.com" }),
    });
    await book("away-host");
    booked = await book("log-host");
    const row = rows.filter({ hasText: "log-host" });
    await row.getByText("confirmed", { exact: true }).waitFor();
    await row.getByText("WebSocket").waitFor();
  });

  await check("one who is away is mailed, and the log says so", async () => {
    await rows.filter({ hasText: "away-host" }).getByText("emailed", { exact: true }).waitFor();
  });

  await check("filters narrow it, and are in the address", async () => {
    await desk.getByLabel("State").selectOption("emailed");
    await eventually(
      "only the mailed one is left",
      async () => (await rows.count()) === 1 && (await rows.filter({ hasText: "away-host" }).count()) === 1,
    );
    if (!desk.url().endsWith("#/log?state=emailed")) throw new Error(desk.url());
    await desk.getByLabel("User id", { exact: true }).fill("log-host");
    await desk.getByRole("button", { name: "Apply" }).click();
    await desk.getByText("Nothing that is kept fits these filters.").waitFor();
    await desk.goBack();
    await rows.filter({ hasText: "away-host" }).waitFor();
    const other = await browser.newPage();
    await other.addInitScript((token) => sessionStorage.setItem("bellhop.desk.token", token), admin);
    await other.goto(desk.url());
    await other.getByRole("row").filter({ hasText: "away-host" }).waitFor();
    if (await other.getByRole("row").filter({ hasText: "log-host" }).count())
      throw new Error("the link shows something else");
    await other.close();
    await desk.bringToFront();
  });

  await check("a filter that the server does not take is explained with its code and request", async () => {
    expect(/status of 400/);
    await desk.goto(`${SITE}/admin#/log?category=NOT%20ONE`);
    const problem = desk.getByRole("alert").filter({ hasText: "The log could not be had" });
    await problem.getByText("invalid_query").waitFor();
    await problem.getByRole("button", { name: "Copy the request's id" }).waitFor();
  });

  await check("by keyboard alone from the log to a trail", async () => {
    await desk.goto(`${SITE}/admin#/overview`);
    await desk.getByRole("heading", { name: "Overview" }).waitFor();
    await tabTo(desk, "Log");
    await desk.keyboard.press("Enter");
    await desk.getByRole("heading", { name: "Log", exact: true }).waitFor();
    await rows.filter({ hasText: "log-host" }).waitFor();
    await tabTo(desk, "New booking");
    await desk.keyboard.press("Enter");
    await desk.getByRole("heading", { name: "What happened" }).waitFor();
    const heading = await desk.evaluate(() => document.activeElement.localName);
    if (heading !== "h1") throw new Error(`the focus is at ${heading}`);
  });

  await check("the trail says which device confirmed it, and after how long", async () => {
    await desk.goto(`${SITE}/admin#/trail/${booked.notification.id}`);
    const steps = desk.getByRole("list").filter({ hasText: "Created and kept" }).getByRole("listitem");
    const step = steps.filter({ hasText: "Confirmed by a device by WebSocket" });
    await step.getByText(/after \d/).waitFor();
    await step.getByText(/Session .+-\d+/).waitFor();
    await desk.getByText(/^Confirmed by WebSocket after \d/).waitFor();
    await desk.getByText(booked.notification.id).first().waitFor();
  });

  await check("reading it appears in the trail that is open", async () => {
    const host = await token("log-host");
    await api("/notifications/mark-read", { token: host, method: "POST", body: { ids: [booked.notification.id] } });
    await desk.getByRole("listitem").filter({ hasText: /^Read/ }).waitFor();
  });

  await check("the search finds a notification by its id, and a user by theirs", async () => {
    const search = desk.getByRole("searchbox", { name: "User id or notification id" });
    await search.fill("away-host");
    await search.press("Enter");
    await desk.getByRole("heading", { name: "User away-host" }).waitFor();
    await desk.getByText("No device is connected").waitFor();
    await rows.getByText("emailed").waitFor();
    await search.fill(booked.notification.id);
    await search.press("Enter");
    await desk.getByText(/^Confirmed by WebSocket/).waitFor();
  });

  await check("what others wrote stays text", async () => {
    const body = { type: "COMMENT", userId: "log-host", title: HOSTILE, message: HOSTILE };
    await api("/notifications", { token: admin, method: "POST", body });
    await desk.goto(`${SITE}/admin#/log?type=COMMENT`);
    await desk.getByRole("link", { name: HOSTILE }).click();
    await desk.getByRole("heading", { name: HOSTILE }).waitFor();
    if (await desk.locator("#view img, #view script").count()) throw new Error("it became markup");
    if (["1", "2"].includes(await desk.title())) throw new Error("it ran");
  });

  await check("who reads is not moved: what is new waits to be let in", async () => {
    await desk.goto(`${SITE}/admin#/log`);
    const first = rows.filter({ hasText: "away-host" }).getByRole("link", { name: "away-host" });
    await first.focus();
    const before = await rows.count();
    await book("log-host");
    await desk.getByRole("button", { name: "Show 1 new notification" }).waitFor();
    if ((await rows.count()) !== before) throw new Error("the list moved");
    if (!(await first.evaluate((link) => link === document.activeElement))) throw new Error("the focus is gone");
    await desk.getByRole("button", { name: "Show 1 new notification" }).click();
    await eventually("it is let in", async () => (await rows.count()) === before + 1);
  });

  await check("the list goes on page by page, and ends", async () => {
    const userIds = Array.from({ length: 120 }, (_, index) => `many-${index}`);
    await api("/notifications", { token: admin, method: "POST", body: { type: "LIKE", title: "Liked", userIds } });
    await desk.goto(`${SITE}/admin#/log?type=LIKE`);
    await eventually("a page", async () => (await rows.count()) === 50);
    await desk.getByRole("button", { name: "Load more" }).click();
    await eventually("two pages", async () => (await rows.count()) === 100);
    await desk.getByRole("button", { name: "Load more" }).click();
    await desk.getByText("120 notifications; there are no older ones.").waitFor();
  });
});

/** Presses Tab until the focus is at a link of that name. */
async function tabTo(page, name) {
  for (let presses = 0; presses < 60; presses += 1) {
    await page.keyboard.press("Tab");
    if ((await page.evaluate(() => document.activeElement.textContent)) === name) return;
  }
  throw new Error(`the keyboard does not come to ${name}`);
}
