// The demonstration from one end to the other: a booking on the phone, confirmed; accepted, and heard by the guest; the
// phone off, and the mail shown; back on, and nothing missed; and what axe says.

import { counts, look, must, shoot } from "./embed.mjs";
import { api, book, check, eventually, isAccessible, run, SITE } from "./support.mjs";

await run(async ({ context }) => {
  const here = await context({ viewport: { width: 1440, height: 900 }, colorScheme: "light" });
  const page = await here.newPage();
  const bell = look(page.locator("#phone"));
  const steps = page.locator(".step .what");
  const told = async (pattern, deadline) =>
    eventually(
      `the steps say ${pattern}`,
      async () => (await steps.allTextContents()).find((text) => pattern.test(text)),
      deadline,
    );
  const live = () =>
    eventually("the phone is live", async () => (await page.locator("#line").textContent()) === "WebSocket");

  await check("one press books, and every step is told with its figure", async () => {
    await page.goto(`${SITE}/`);
    await live();
    await isAccessible(page);
    await shoot(page, "demo-begin");
    await page.locator("#book").click();
    await counts(bell.toasts, 1);
    await bell.toasts.hover(); // It waits as long as that.
    await counts(page.locator(".booking"), 1);
    await told(/^201 after \d+ ms: the booking is kept$/);
    await told(/^On the phone \d+ ms after the press$/);
    await told(/^Confirmed by the phone in (\d+ ms|under 1 ms|\d\.\d s)$/);
    must("the badge counts", (await bell.badge.textContent()) === "1");
    const [toast, screen] = [await bell.toasts.boundingBox(), await page.locator("#screen").boundingBox()];
    must(
      "the toast is in the phone",
      toast.x >= screen.x &&
        toast.x + toast.width <= screen.x + screen.width &&
        toast.y + toast.height <= screen.y + screen.height,
    );
    await bell.toasts.evaluate((toast) => Promise.all(toast.getAnimations().map((each) => each.finished)));
    await isAccessible(page);
    await shoot(page, "demo-booked");
  });

  await check("accepted on the phone, heard by the guest", async () => {
    await page.locator(".card-act.accept").click();
    await told(/^Accepted: the guest’s page heard it after /);
    must("the guest reads it", (await page.locator("#heard").textContent()).startsWith("Sea View is confirmed"));
    await eventually("the card says so", async () => (await page.locator(".card-state").textContent()) === "Accepted");
    await isAccessible(page);
    await page.locator("#book").click();
    await counts(page.locator(".booking"), 2);
    await page.locator(".booking").first().locator(".cancel").click();
    await told(/^Declined: the guest’s page heard it after /);
  });

  await check("the list opens in the phone", async () => {
    await bell.button.click();
    await counts(bell.items, 2);
    const [panel, screen] = [await bell.panel.boundingBox(), await page.locator("#screen").boundingBox()];
    must(
      "it is in the phone",
      panel.x >= screen.x && panel.x + panel.width <= screen.x + screen.width + 1 && panel.y > screen.y,
    );
    await isAccessible(page);
    await shoot(page, "demo-list");
    await page.keyboard.press("Escape");
  });

  await check("a booking from a terminal is on the phone as well", async () => {
    const command = await page.locator("#curl").textContent();
    const body = JSON.parse(/-d '(.*)'/.exec(command)[1]);
    await api("/bookings", { method: "POST", token: /Bearer (\S+)"/.exec(command)[1], body });
    await bell.toasts.first().hover(); // It waits as long as that, until the phone goes off.
    await told(/^A booking from elsewhere is on the phone$/);
    await told(/^Confirmed by the phone in /);
  });

  await check(
    "with the phone off, mail is written and shown",
    async () => {
      await page.locator("#power").uncheck();
      must("the phone is dark", await page.locator("#dark").isVisible());
      must("and shows nothing", (await bell.toasts.count()) === 0);
      await page.locator("#book").click();
      await told(/^201 after /);
      await told(/^Mail written \d+(\.\d s| ms) after the booking was kept$/, 40_000);
      const frame = page.frameLocator("#mail-frame");
      await eventually("the mail names the listing", async () =>
        (await frame.locator("body").textContent()).includes("Sea View"),
      );
      must("to whom", (await page.locator("#mail-what").textContent()).startsWith("To demo-host@example.org: "));
      must("the phone did not hear", (await page.locator(".booking").count()) === 3);
      await isAccessible(page, { without: ["frame-tested"] });
      await shoot(page, "demo-mail");
    },
    60_000,
  );

  await check("back on, the phone has what it missed, each once", async () => {
    await book("demo-host");
    await page.locator("#power").check();
    await told(/^The phone is back: 2 missed, all here after /);
    await live();
    await counts(page.locator(".booking"), 4);
    must("the badge counts", (await bell.badge.textContent()) === "5");
    await shoot(page, "demo-back");
  });

  await check("a second device shows the same, and one that answers is enough", async () => {
    await page.locator("#second").check();
    const laptop = look(page.locator("#device"));
    await eventually("it counts the same", async () => (await laptop.badge.textContent()) === "5");
    await page.locator("#power").uncheck();
    await page.locator("#book").click();
    await told(/^Confirmed by another device of the host’s in /);
    await laptop.button.click();
    await laptop.find("[part=mark-all]").click();
    await eventually("its badge is gone", async () => (await laptop.badge.isVisible()) === false);
    await page.keyboard.press("Escape");
    await page.locator("#power").check();
    await eventually("and so is the phone’s", async () => (await bell.badge.isVisible()) === false);
    await page.locator("#second").uncheck();
    await here.close();
  });

  await check("dark, and on a phone of 360 pixels", async () => {
    const small = await context({
      viewport: { width: 360, height: 740 },
      colorScheme: "dark",
      hasTouch: true,
      isMobile: true,
    });
    const narrow = await small.newPage();
    await narrow.goto(`${SITE}/`);
    await eventually("the phone is live", async () => (await narrow.locator("#line").textContent()) === "WebSocket");
    await narrow.locator("#book").click();
    await counts(narrow.locator(".booking"), 1);
    await eventually("all is told", async () => (await narrow.locator(".step").count()) === 3);
    await look(narrow.locator("#phone")).toasts.evaluate((toast) =>
      Promise.all(toast.getAnimations().map((each) => each.finished)),
    );
    await isAccessible(narrow);
    must(
      "nothing is wider than the page",
      await narrow.evaluate(() => document.documentElement.scrollWidth <= innerWidth),
    );
    await shoot(narrow, "demo-small");
    await small.close();
  });
});
