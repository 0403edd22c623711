// Every view of the desk, light and dark, at 360 and 1440 pixels, with all kinds of data: axe finds nothing, nothing is
// wider than the screen, and the page obeys its policy. With `"shots": "/folder"` pictures of all of them are kept.

import { NETWORK, SITE, api, book, check, eventually, isAccessible, run, settings, token } from "./support.mjs";

const SIZES = [360, 1440];
const SCHEMES = ["light", "dark"];

async function somethingOfAll() {
  const admin = await token("demo-admin", "ADMIN");
  await api("/notifications/count", {
    token: await token("demo-host", "PROFESSIONAL", { email: "demo-host@example.com" }),
  });
  const { booking, notification } = await book("demo-host");
  await api(`/bookings/${booking.id}/cancel`, { token: await token("demo-guest", "CUSTOMER"), method: "POST" });
  await book("host-without-address-and-with-a-very-long-name-that-has-no-place-to-break-in-it-at-all-0123456789");
  const body = { type: "system.maintenance", all: true, title: "Maintenance" };
  const { id } = await api("/admin/notifications/broadcast", { token: admin, method: "POST", body });
  await eventually("deliveries have ended", async () => {
    const stats = await api("/admin/notifications/stats", { token: admin });
    return stats.byState.suppressed && stats.byState.emailed && !stats.byState.pending;
  });
  return { admin, trail: notification.id, broadcast: id };
}

await run(async ({ context, proxy, expect }) => {
  expect(NETWORK);
  const { admin, trail, broadcast } = await somethingOfAll();
  const views = {
    overview: { path: "overview", shows: ".tile .value >> nth=1", has: /\d/ },
    presence: { path: "presence", shows: ".lead", has: /online/ },
    log: { path: "log", shows: "tbody tr >> nth=0", has: /./ },
    "empty-log": { path: "log?userId=nobody&state=failed", shows: ".empty", has: /fits/ },
    trail: { path: `trail/${trail}`, shows: ".timeline li >> nth=0", has: /Created/ },
    user: { path: "user/demo-host", shows: "tbody tr >> nth=0", has: /./ },
    broadcast: { path: `broadcast/${broadcast}`, shows: ".progress .lead", has: /Done/ },
    audit: { path: "audit", shows: "tbody tr >> nth=0", has: /./ },
  };
  for (const width of SIZES) {
    const browser = await context({ viewport: { width, height: 900 }, reducedMotion: "reduce" });
    const page = await browser.newPage();
    await page.goto(`${SITE}/blank`);
    await page.evaluate((token) => sessionStorage.setItem("bellhop.desk.token", token), admin);
    const look = async (name) => {
      for (const colorScheme of SCHEMES) {
        await page.emulateMedia({ colorScheme });
        await isAccessible(page);
        const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (beyond > 0) throw new Error(`${beyond} px wider than the screen`);
        if (settings.shots)
          await page.screenshot({ path: `${settings.shots}/${name}-${width}-${colorScheme}.png`, fullPage: true });
      }
    };
    for (const [name, { path, shows, has }] of Object.entries(views)) {
      await check(`${name}, light and dark, ${width} pixels`, async () => {
        await page.goto(`${SITE}/admin#/${path}`);
        await eventually(`${name} shows its data`, async () =>
          has.test((await page.locator(`#view ${shows}`).textContent()) ?? ""),
        );
        await look(name);
      });
    }
    await check(`a question, light and dark, ${width} pixels`, async () => {
      await page.goto(`${SITE}/admin#/user/demo-host`);
      await page.getByRole("button", { name: "Revoke tokens of demo-host" }).click();
      await page.getByRole("dialog").waitFor();
      await look("question");
      await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    });
    await check(`a server that is away, light and dark, ${width} pixels`, async () => {
      proxy.refuse();
      proxy.cut();
      await page.getByText("The server does not answer since").waitFor();
      await look("away");
      proxy.refuse(false);
      await page.getByText("The server does not answer since").waitFor({ state: "hidden" });
    });
    await check(`the sign-in, light and dark, ${width} pixels`, async () => {
      await page.getByRole("button", { name: "Sign out" }).click();
      await page.getByRole("button", { name: "Use a demonstration token" }).waitFor();
      await look("sign-in");
    });
    await browser.close();
  }
});
