// Who is let into the desk: an administrator's token, pasted, kept in the tab and nowhere else; or the platform's
// cookie. Everybody else is told why not, and a session that ends keeps its view.

import { SITE, api, check, eventually, run, settings, token } from "./support.mjs";

// What Chromium writes about an answer that refuses; the page says it in words.
const REFUSED = /^Failed to load resource: the server responded with a status of 40[13]/;
// The server believes a token for a leeway beyond its end, as it is configured.
const EXPIRY_MS = 60_000;

const address = `${SITE}/admin`;

async function paste(page, text) {
  await page.getByLabel("An administrator's token").fill(text);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
}

const trouble = (page) => page.locator("#sign-in-trouble");

await run(async ({ context, expect }) => {
  expect(REFUSED);
  const browser = await context();
  const page = await browser.newPage();
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));

  await check("who has no token is asked for one, and sees nothing", async () => {
    await page.goto(`${address}#/log?state=emailed`);
    await page.getByRole("heading", { name: "The desk" }).waitFor();
    const isBare = await page.locator("#view").evaluate((view) => view.childElementCount === 0);
    if (!isBare || (await page.locator("#top").isVisible())) throw new Error("something is shown");
    if (await trouble(page).isVisible()) throw new Error("no token is a trouble already");
  });

  await check("a customer's token is refused in clear words", async () => {
    await paste(page, await token("demo-guest", "CUSTOMER"));
    await page.getByText("not an administrator's. It is of demo-guest, who holds CUSTOMER").waitFor();
  });

  await check("what is no token, or signed by somebody else, is said to be", async () => {
    await paste(page, "nonsense");
    await page.getByText("not a whole token").waitFor();
    const [head, claims] = (await token("demo-admin", "ADMIN")).split(".");
    await paste(page, `${head}.${claims}.${"A".repeat(43)}`);
    await page.getByText("not signed with this server's key").waitFor();
  });

  await check("so is one with letters that cannot be sent", async () => {
    await paste(page, `${await token("demo-admin", "ADMIN")}\u200b`);
    await page.getByText("not a whole token").waitFor();
  });

  await check("where the browser forbids storage one signs in nevertheless", async () => {
    const bare = await browser.newPage();
    await bare.addInitScript(() =>
      Object.defineProperty(window, "sessionStorage", {
        get: () => {
          throw new DOMException("forbidden", "SecurityError");
        },
      }),
    );
    await bare.goto(`${address}#/constructor`);
    await paste(bare, await token("demo-admin", "ADMIN"));
    await bare.getByRole("heading", { name: "Overview" }).waitFor();
    await bare.close();
    await page.bringToFront();
  });

  const good = await token("demo-admin", "ADMIN");
  await check("an administrator's token lets in, to the view that the address names", async () => {
    await paste(page, `  Bearer ${good}\n`);
    await page.getByRole("heading", { name: "Log", exact: true }).waitFor();
    if ((await page.getByLabel("State").inputValue()) !== "emailed") throw new Error("the filter is lost");
  });

  await check("the token is in the tab's storage, and in no address", async () => {
    const kept = await page.evaluate(() => [
      Object.values(sessionStorage),
      Object.values(localStorage),
      document.cookie,
    ]);
    if (JSON.stringify(kept) !== JSON.stringify([[good], [], ""])) throw new Error(JSON.stringify(kept));
    const told = [page.url(), ...asked].find((url) => url.includes(good.slice(-20)));
    if (told) throw new Error(`in ${told}`);
  });

  await check("it outlasts a reload, and ends with signing out", async () => {
    await page.reload();
    await page.getByRole("heading", { name: "Log", exact: true }).waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "The desk" }).waitFor();
    if (await page.evaluate(() => sessionStorage.length)) throw new Error("the token is still there");
    await page.reload();
    await page.getByRole("heading", { name: "The desk" }).waitFor();
  });

  await check("in development a demonstration token is a button away", async () => {
    await page.getByRole("button", { name: "Use a demonstration token" }).click();
    await page.getByRole("heading", { name: "Log", exact: true }).waitFor();
    if ((await page.locator("#me").textContent()) !== "demo-admin") throw new Error("it is somebody else's");
    await page.getByRole("button", { name: "Sign out" }).click();
  });

  await check("where there are no demonstration tokens there is no button", async () => {
    const bare = await browser.newPage();
    await bare.route("**/dev/token", (route) =>
      route.fulfill({ status: 404, contentType: "application/problem+json", body: "{}" }),
    );
    expect(/status of 404/);
    const asked = bare.waitForResponse("**/dev/token");
    await bare.goto(address);
    await asked;
    await bare.getByRole("heading", { name: "The desk" }).waitFor();
    if (await bare.getByRole("button", { name: "demonstration" }).isVisible()) throw new Error("there is one");
    await bare.close();
  });

  await check("a revoked token leads to the sign-in, which says so", async () => {
    const own = await token("demo-operator", "ADMIN");
    await page.goto(`${address}#/presence`);
    await paste(page, own);
    await page.getByRole("heading", { name: "Presence" }).waitFor();
    await api("/admin/users/demo-operator/revoke", { token: good, method: "POST", body: {} });
    await page.getByText("The token was revoked").waitFor();
  });

  await check(
    "a token that expires leads there too, and the next goes on with the same view",
    async () => {
      await page.goto(`${address}#/presence?role=PROFESSIONAL`);
      await paste(page, await token("demo-admin", "ADMIN", { expiresIn: 2 }));
      await page.getByRole("heading", { name: "Presence" }).waitFor();
      await page.getByText("The token has expired").waitFor({ timeout: EXPIRY_MS });
      if (await page.locator("#view *").count()) throw new Error("what was seen is still shown");
      await paste(page, good);
      await page.getByRole("heading", { name: "Presence" }).waitFor();
      if ((await page.getByLabel("Role").inputValue()) !== "PROFESSIONAL") throw new Error("the filter is lost");
    },
    EXPIRY_MS,
  );

  await check("the platform's cookie lets an administrator in without being asked", async () => {
    const other = await context();
    await other.addCookies([{ name: settings.cookie ?? "token", value: good, url: SITE }]);
    const page = await other.newPage();
    await page.goto(address);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    const isKept = await page.evaluate(() => sessionStorage.length > 0);
    if (isKept) throw new Error("the cookie was copied");
    await eventually(
      "the overview has its figures",
      async () => (await page.locator(".tile .value").first().textContent()) !== "–",
    );
    await other.close();
  });
});
