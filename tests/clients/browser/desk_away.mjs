// When the server goes away the desk says so unmistakably, keeps what it showed with the time it is from, and recovers
// by itself; and it is polite: it asks for nothing while it is not seen.

import { NETWORK, SITE, book, check, eventually, run, token } from "./support.mjs";

await run(async ({ context, proxy, expect }) => {
  expect(NETWORK);
  const browser = await context();
  const desk = await browser.newPage();
  const admin = await token("demo-admin", "ADMIN");
  await desk.addInitScript((token) => sessionStorage.setItem("bellhop.desk.token", token), admin);
  await book("demo-host");
  await desk.goto(`${SITE}/admin#/log`);
  const row = desk.getByRole("row").filter({ hasText: "demo-host" });
  const pill = desk.locator("#freshness");
  const alarm = desk.locator("#away");

  await check("what is shown says as of when", async () => {
    await row.waitFor();
    await pill.getByText(/^As of \d\d:\d\d:\d\d/).waitFor();
    if (await alarm.isVisible()) throw new Error("it is said to be away");
  });

  await check("a server that is gone is said to be, and what was shown stays", async () => {
    proxy.refuse();
    proxy.cut();
    await desk
      .getByRole("alert")
      .getByText(/^The server does not answer since/)
      .waitFor();
    await alarm.getByText(/What you see is from \d\d:\d\d:\d\d\. Trying again/).waitFor();
    await pill.getByText(/^Stale: as of/).waitFor();
    if (!(await row.isVisible())) throw new Error("the list is gone");
    if (!(await desk.title()).startsWith("✖ away")) throw new Error(`the title is ${await desk.title()}`);
  });

  await check("once it is back the desk is, by itself, with what happened meanwhile", async () => {
    await book("other-host");
    proxy.refuse(false);
    await desk.getByRole("row").filter({ hasText: "other-host" }).waitFor({ timeout: 12_000 });
    await alarm.waitFor({ state: "hidden" });
    await pill.getByText(/^As of/).waitFor();
    if ((await desk.title()).includes("away")) throw new Error("the title still says that it is away");
  });

  await check("the overview says at a glance that the server is away, and that all is well", async () => {
    await desk.goto(`${SITE}/admin#/overview`);
    await desk.getByText("All is well").waitFor();
    proxy.refuse();
    proxy.cut();
    await desk.getByText("The server is away").waitFor();
    proxy.refuse(false);
    // It may come back by itself meanwhile, and the button go: a script's press waits for nothing.
    await desk.locator("#try-now").evaluate((button) => button.click());
    await desk.getByText("All is well").waitFor();
  });

  await check("what is degraded is said with what it means and what to do, and nothing once it is mended", async () => {
    const isOk = { database: "ok", mail: "ok", queues: "ok", hub: "ok", bus: "ok", audit: "ok" };
    const waiting = { write: 0, clerical: 0, read: 0, mail: 0, confirmations: 0 };
    const body = {
      status: "degraded",
      parts: { ...isOk, mail: "degraded" },
      overdueMails: 7,
      waiting,
      memory: { resident: 1, presence: 1 },
    };
    await desk.route("**/ready", (route) => route.fulfill({ json: body }));
    const verdict = desk.getByRole("status", { name: "How it is" });
    await verdict.getByText("Something is wrong").waitFor();
    await verdict.getByText("Mail: the mail server is not reached").waitFor();
    await verdict.getByText("Look at the mail server and SMTP_URL").waitFor();
    await verdict.getByText("7 mails are overdue").waitFor();
    if (!(await desk.title()).startsWith("✖ 2 ")) throw new Error(`the title is ${await desk.title()}`);
    await desk.unroute("**/ready");
    await verdict.getByText("All is well").waitFor();
  });

  await check("nothing is asked for while nobody sees it", async () => {
    await desk.evaluate(() => {
      Object.defineProperty(document, "hidden", { value: true, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    });
    const asked = () => [...proxy.asked.values()].reduce((sum, times) => sum + times, 0);
    let last = asked();
    let since = Date.now();
    // What was under way may end; then nothing begins for longer than the longest pause between looks at /ready.
    await eventually(
      "four seconds without a request",
      () => {
        if (asked() !== last) [last, since] = [asked(), Date.now()];
        return Date.now() - since > 4_000;
      },
      9_000,
    );
    await desk.evaluate(() => {
      delete document.hidden;
      document.dispatchEvent(new Event("visibilitychange"));
    });
    await eventually("it goes on when it is seen", () => asked() > last);
  });
});
