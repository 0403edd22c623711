// How the bell looks: light and dark, narrow and wide, at every edge, in a site's own colours; and what axe says to it.

import { counts, embed, must, shoot } from "./embed.mjs";
import { api, book, check, eventually, isAccessible, run, token } from "./support.mjs";

await run(async ({ context }) => {
  const admin = await token("desk", "ADMIN");
  const publish = (fields) =>
    api("/notifications", { method: "POST", token: admin, body: { userId: "looks", ...fields } });
  await book("looks");
  await publish({
    type: "review.created",
    title: "New review",
    message:
      "Five stars for Sea View. Very clean, quiet at night, and the host answered within minutes. We would come again at any time, and bring friends.",
  });
  await publish({
    type: "system.maintenance",
    title: "Maintenance tonight",
    message: "From 2:00 to 2:10",
    priority: "critical",
  });
  const bearer = await token("looks");

  await check("axe finds nothing: light and dark, 360 and 1440 pixels, closed, open and with a toast", async () => {
    for (const colorScheme of ["light", "dark"]) {
      for (const width of [360, 1440]) {
        const here = await context({
          colorScheme,
          viewport: { width, height: 800 },
          ...(width === 360 && { hasTouch: true, isMobile: true }),
        });
        const page = await here.newPage();
        const bell = await embed(page, { token: bearer });
        await isAccessible(page);
        await book("looks", { guestName: "Demo guest" });
        await counts(bell.toasts, 1);
        await bell.toasts.hover(); // It waits as long as that.
        await bell.toasts.first().evaluate((toast) => Promise.all(toast.getAnimations().map((each) => each.finished)));
        await isAccessible(page);
        await shoot(page, `toast-${colorScheme}-${width}`);
        await bell.open();
        await eventually("the categories are there", async () => (await bell.find(".chip").count()) === 4);
        await bell.items.nth(1).hover();
        await isAccessible(page);
        await shoot(page, `open-${colorScheme}-${width}`);
        must(
          "nothing is wider than the page",
          await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
        );
        if (width === 360) {
          const [panel, small] = [await bell.panel.boundingBox(), await bell.find(".small").first().boundingBox()];
          must(
            "a sheet over the full width",
            panel.x === 0 && panel.width === 360 && Math.round(panel.y + panel.height) === 800,
          );
          must(`a finger finds the buttons: ${small.width}`, small.width >= 44 && small.height >= 44);
        }
        await here.close();
      }
    }
  });

  await check("it is light or dark as the browser wishes, or as the page says", async () => {
    for (const [colorScheme, theme, dark] of [
      ["light", null, false],
      ["dark", null, true],
      ["dark", "light", false],
      ["light", "dark", true],
    ]) {
      const here = await context({ colorScheme });
      const bell = await embed(await here.newPage(), { token: bearer, attributes: theme ? { theme } : {} });
      await bell.open();
      const [red] = (await bell.panel.evaluate((panel) => getComputedStyle(panel).backgroundColor)).match(/\d+/g);
      must(`${colorScheme} and ${theme}: ${red}`, Number(red) < 100 === dark);
      await here.close();
    }
  });

  await check("a site's own colours and shapes are taken", async () => {
    const here = await context();
    const page = await here.newPage();
    const bell = await embed(page, { token: bearer });
    await page.evaluate(() => {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(
        "bellhop-bell { --bellhop-card: rgb(1, 2, 3); --bellhop-width: 300px; } bellhop-bell::part(heading) { color: rgb(4, 5, 6); }",
      );
      document.adoptedStyleSheets = [sheet];
    });
    await bell.open();
    const [card, heading] = await bell.panel.evaluate((panel) =>
      [panel, panel.querySelector("h2")]
        .map((each) => getComputedStyle(each))
        .map((style) => [style.backgroundColor, style.color]),
    );
    must("the card", card[0] === "rgb(1, 2, 3)");
    must("the heading", heading[1] === "rgb(4, 5, 6)");
    must("the width", (await bell.panel.boundingBox()).width === 300);
    await here.close();
  });

  await check("at whichever edge it stands, it stays inside the window", async () => {
    const here = await context({ viewport: { width: 700, height: 600 } });
    const page = await here.newPage();
    for (const corner of ["top-start", "top-end", "bottom-start", "bottom-end"]) {
      const bell = await embed(page, { token: bearer, corner });
      await bell.open();
      await counts(bell.items, Math.min(20, (await api("/notifications/count", { token: bearer })).total));
      const [panel, button] = [await bell.panel.boundingBox(), await bell.button.boundingBox()];
      const inside = panel.x >= 0 && panel.y >= 0 && panel.x + panel.width <= 700 && panel.y + panel.height <= 600;
      const apart = panel.y >= button.y + button.height || panel.y + panel.height <= button.y;
      must(`${corner}: ${JSON.stringify(panel)}`, inside && apart);
      await page.setViewportSize({ width: 520, height: 600 });
      await eventually("it follows the window", async () => {
        const { x, width } = await bell.panel.boundingBox();
        return x >= 0 && x + width <= 520;
      });
      await page.setViewportSize({ width: 700, height: 600 });
    }
    await here.close();
  });

  await check("who wants less motion gets none", async () => {
    const here = await context({ reducedMotion: "reduce" });
    const bell = await embed(await here.newPage(), { token: bearer });
    await book("looks");
    await counts(bell.toasts, 1);
    const running = await bell.host.evaluate((element) => element.shadowRoot.getAnimations().length);
    must(`${running} animations`, running === 0);
    await here.close();
  });
});
