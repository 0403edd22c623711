// The bell in a page of another origin, as a site embeds it: one script tag and one element, with a token from the
// site's own server. Nothing is done in the page that a browser would take for the reader's doing.

import { counts, look, must, says } from "./embed.mjs";
import { api, book, check, eventually, FOREIGN, run, SITE, token } from "./support.mjs";

const PAGE = `<!doctype html><html lang="de"><title>Another site</title><link rel="icon" href="data:,">
  <script type="module" src="${SITE}/bellhop-bell.js"></script>
  <header><bellhop-bell token-url="/my/token"></bellhop-bell></header>
  <main><h1>Another site</h1></main></html>`;
const pages = {
  "/": PAGE,
  "/my/token": { type: "application/json", body: "" },
  "/text/token": { type: "text/plain", body: "" },
};
pages["/mine"] = "<!doctype html><title>Mine</title><link rel=icon href='data:,'>";

await run(
  async ({ context }) => {
    const bearer = await token("elsewhere");
    pages["/my/token"].body = JSON.stringify({ token: bearer });
    pages["/text/token"].body = `${bearer}\n`;

    await check("one script tag and one element are all, in a page of another origin", async () => {
      const here = await context();
      const page = await here.newPage();
      await page.goto(`${FOREIGN}/`);
      const bell = look(page);
      await bell.isLive();
      await book("elsewhere");
      await says(bell.badge, "1");
      await counts(bell.toasts, 1);
      await bell.open();
      await counts(bell.items, 1);
      await bell.items.first().locator(".main").click();
      await eventually(
        "it is read at the server",
        async () => (await api("/notifications/count", { token: bearer })).unread === 0,
      );
      await here.close();
    });

    await check("a token may be plain text", async () => {
      const here = await context();
      const page = await here.newPage();
      pages["/plain"] = PAGE.replace("/my/token", "/text/token");
      await page.goto(`${FOREIGN}/plain`);
      await look(page).isLive();
      await here.close();
    });

    await check("a page to log in at is no token, and neither is a way to one", async () => {
      const here = await context();
      const page = await here.newPage();
      pages["/guest"] = PAGE.replace("/my/token", "/guest/token");
      pages["/login"] = "<!doctype html>\n<title>Log in</title>\n<form><input name=password></form>\n";
      await page.route("**/guest/token", (route) => route.fulfill(answer));
      let answer;
      for (answer of [
        { contentType: "text/html", body: pages["/login"] },
        { contentType: "text/html", body: "<title>Log_in</title>" },
        { status: 302, headers: { location: "/login" } },
        { body: `${bearer}${"x".repeat(9000)}` },
        { json: { token: null } },
      ]) {
        await page.goto(`${FOREIGN}/guest`);
        const bell = look(page);
        const wanted = "Benachrichtigungen, Melden Sie sich an, um Ihre Benachrichtigungen zu sehen.";
        await eventually(
          `nobody is logged in by ${JSON.stringify(answer).slice(0, 80)}`,
          async () => (await bell.button.getAttribute("aria-label")) === wanted,
        );
      }
      await here.close();
    });

    await check("nothing sounds before the reader has done something in the page", async () => {
      const here = await context();
      await here.addInitScript(() => {
        if (location.protocol !== "http:") return; // The empty page that a tab begins with.
        localStorage.setItem("bellhop-sound", "on");
        const Real = window.AudioContext;
        window.AudioContext = class extends Real {
          constructor() {
            console.log("audio was asked for");
            super();
          }
        };
        addEventListener("bellhop-notification", () =>
          setTimeout(() => console.log(`heard, active: ${navigator.userActivation.hasBeenActive}`), 300),
        );
        const looking = setInterval(() => {
          if (document.querySelector("bellhop-bell")?.client?.state !== "live") return;
          clearInterval(looking);
          console.log("live");
        }, 20);
      });
      const page = await here.newPage();
      // By the console alone: whatever the driver evaluates in a page counts as the reader's doing.
      const said = [];
      page.on("console", (message) => said.push(message.text()));
      await page.goto(`${FOREIGN}/`);
      await eventually("it is live", () => said.includes("live"));
      await book("elsewhere");
      await eventually("it is heard of", () => said.some((text) => text.startsWith("heard")));
      must(`said: ${said}`, said.join() === "live,heard, active: false");
      await here.close();
    });

    await check("preferences open in a tab of their own", async () => {
      const here = await context();
      const page = await here.newPage();
      await page.goto(`${FOREIGN}/`);
      const bell = look(page);
      await bell.isLive();
      await bell.open();
      const [tab] = await Promise.all([here.waitForEvent("page"), bell.find("[part=preferences]").click()]);
      await tab.waitForURL(`${SITE}/preferences`);
      await tab.getByRole("heading", { name: "What you get by mail" }).waitFor();
      must("the tab cannot reach back", (await tab.evaluate(() => window.opener)) === null);

      for (const [url, goes] of [
        ["/mine", true],
        ["javascript:alert(1)", false],
      ]) {
        await bell.host.evaluate((element, url) => element.setAttribute("preferences-url", url), url);
        const [opened] = await Promise.all([here.waitForEvent("page"), bell.find("[part=preferences]").click()]);
        await opened.waitForURL(goes ? `${FOREIGN}/mine` : /\/preferences/);
      }
      await here.close();
    });
  },
  { pages },
);
