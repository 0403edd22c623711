// The overview's figures and plots: true, read by keyboard and as a table, leading to the log, and renewed without
// moving anything.

import { SITE, api, book, check, eventually, run, token } from "./support.mjs";

const BOOKED = 7;
const SHIFT_MAX = 0.01;
const HOUR_MS = 3_600_000;

await run(async ({ context }) => {
  const browser = await context({ viewport: { width: 1280, height: 900 } });
  const admin = await token("demo-admin", "ADMIN");
  // All of it falls into one hour, by which it is counted.
  await eventually("an hour with half a minute to go", () => HOUR_MS - (Date.now() % HOUR_MS) > 30_000, 35_000);
  const email = "figures-host@example.com";
  await api("/notifications/count", { token: await token("figures-host", "PROFESSIONAL", { email }) });
  for (let booked = 0; booked < BOOKED; booked += 1) await book("figures-host");
  await eventually(
    "all of them are mailed",
    async () => (await api("/admin/notifications/stats", { token: admin })).byState.emailed === BOOKED,
  );
  const desk = await browser.newPage();
  await desk.addInitScript((token) => sessionStorage.setItem("bellhop.desk.token", token), admin);
  await desk.goto(`${SITE}/admin`);
  const tile = (label) => desk.locator(".tile").filter({ hasText: label });
  const hours = desk.getByRole("figure").filter({ has: desk.getByRole("heading", { name: "Notifications by hour" }) });

  await check("it says how it is, what waits and what failed", async () => {
    await desk.getByRole("status", { name: "How it is" }).getByText("All is well").waitFor();
    await tile("Notifications, last minute").getByText(String(BOOKED), { exact: true }).waitFor();
    await tile("Waiting").getByText("0", { exact: true }).waitFor();
    await tile("Failed").getByText("0", { exact: true }).waitFor();
    await desk.getByText("Nothing that is kept has failed.").waitFor();
  });

  await check("every part says that it is well, and what it is", async () => {
    for (const part of ["Database", "Mail", "Queues", "Hub", "Bus", "Self-audit"]) {
      await desk
        .getByRole("listitem")
        .filter({ hasText: `${part}: ok` })
        .waitFor();
    }
  });

  await check("a plot is read with the arrow keys", async () => {
    const plot = hours.getByRole("slider", { name: "Notifications by hour" });
    const says = () => plot.getAttribute("aria-valuetext");
    await plot.focus();
    await plot.press("End");
    if (!(await says()).endsWith(`: ${BOOKED}`)) throw new Error(`the newest hour says ${await says()}`);
    await plot.press("Home");
    if (!(await says()).endsWith(": 0")) throw new Error(`the oldest hour says ${await says()}`);
    await plot.press("ArrowRight");
    if ((await plot.getAttribute("aria-valuenow")) !== "1") throw new Error("the arrow does not move it");
  });

  await check("and with a pointer", async () => {
    const bar = hours.locator("rect.bar");
    if ((await bar.count()) !== 1) throw new Error("there is not one bar for one hour");
    // Figures that arrive meanwhile draw the bar anew.
    await eventually("it says its value", async () => {
      await bar.scrollIntoViewIfNeeded();
      const box = await bar.boundingBox();
      if (!box) return false;
      await desk.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
      const said = await hours.locator("output").textContent();
      return said.endsWith(`: ${BOOKED}`) && (await hours.locator(".plot-mark").count()) === 1;
    });
  });

  await check("and as a table", async () => {
    await hours.getByText("As a table").click();
    const row = hours.getByRole("row").nth(1);
    await row.getByRole("cell", { name: String(BOOKED), exact: true }).waitFor();
  });

  await check("another stretch of time is asked for when it is chosen", async () => {
    const asked = desk.waitForRequest((request) => {
      const query = new URL(request.url()).searchParams;
      return (
        request.url().includes("/stats?") &&
        Date.parse(query.get("to")) - Date.parse(query.get("from")) === 7 * 86_400_000
      );
    });
    await desk.getByText("7 days").click();
    await asked;
    await desk.getByText(`${BOOKED} in the last 7 days`).waitFor();
  });

  await check("what is renewed moves nothing", async () => {
    await desk.evaluate(() => {
      globalThis.shifted = 0;
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) globalThis.shifted += entry.value;
      }).observe({ type: "layout-shift", buffered: false });
    });
    await book("figures-host");
    // A page that is seen again is renewed at once.
    await desk.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await tile("Notifications, last minute")
      .getByText(String(BOOKED + 1), { exact: true })
      .waitFor();
    const shifted = await desk.evaluate(() => globalThis.shifted);
    if (shifted > SHIFT_MAX) throw new Error(`the layout moved by ${shifted}`);
  });

  await check("a computer whose clock is an hour ahead counts by the server's", async () => {
    const other = await context();
    const page = await other.newPage();
    await page.addInitScript(() => {
      const { now } = Date;
      Date.now = () => now() + 3_600_000;
    });
    await page.addInitScript((token) => sessionStorage.setItem("bellhop.desk.token", token), admin);
    await page.goto(`${SITE}/admin`);
    await page.getByText(/clock and the server's are 1 h apart/).waitFor();
    const rate = page.locator(".tile").filter({ hasText: "Notifications, last minute" });
    await rate.getByText(String(BOOKED + 1), { exact: true }).waitFor();
    await other.close();
  });

  await check("the states lead to the log", async () => {
    await desk.getByRole("link", { name: "emailed", exact: true }).click();
    await desk.getByRole("heading", { name: "Log", exact: true }).waitFor();
    if (!/^#\/log\?state=emailed&from=/.test(new URL(desk.url()).hash)) throw new Error(desk.url());
    await eventually(
      "they are listed",
      async () => (await desk.getByRole("row").filter({ hasText: "figures-host" }).count()) >= BOOKED,
    );
  });
});
