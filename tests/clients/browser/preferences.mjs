// The preferences page by the links that open it, from a mail and from a front end, and the mail itself as it is read.

import { NETWORK, SITE, api, book, check, eventually, isAccessible, run, settings, token } from "./support.mjs";

const HOST = "pref-host";
const ADDRESS = "zoe@example.org";

const same = (one, other, what) => {
  const [given, wanted] = [one, other].map((value) => JSON.stringify(value));
  if (given !== wanted) throw new Error(`${what}: ${given} is not ${wanted}`);
};

// Looks that a reader may have chosen.
const LOOKS = [
  { name: "light-360", colorScheme: "light", viewport: { width: 360, height: 740 } },
  { name: "dark-360", colorScheme: "dark", viewport: { width: 360, height: 740 } },
  { name: "light-1440", colorScheme: "light", viewport: { width: 1440, height: 900 } },
  { name: "dark-1440", colorScheme: "dark", viewport: { width: 1440, height: 900 } },
];

async function shoot(page, name) {
  if (settings.shots) await page.screenshot({ path: `${settings.shots}/${name}.png`, fullPage: true });
}

const mine = async () => token(HOST, "PROFESSIONAL", { email: ADDRESS });
const chosen = async () => api("/notifications/preferences", { token: await mine() });

// The newest mail to the host, which is not that of `before`.
async function nextMail(before) {
  return eventually("a mail", async () => {
    const { items } = await api(`/dev/mails?to=${ADDRESS}`);
    return items.find(({ id }) => id !== before);
  });
}

// The link in a mail, at the origin under which the browser knows the server.
function linkOf(mail) {
  const key = mail.text.match(/\/preferences#key=([\w-]+)/)?.[1];
  if (!key) throw new Error(`no link in ${mail.text}`);
  return { key, url: `${SITE}/preferences#key=${key}` };
}

const ready = (page) => page.locator("#categories input").first().waitFor();
const box = (page, name) => page.locator(`#categories input[name="${name}"]`);
const save = async (page) => {
  await page.getByRole("button", { name: "Save" }).click();
  await page.getByText("Saved.", { exact: true }).waitFor();
};

await run(async ({ context: newContext, expect, proxy }) => {
  // Where a link is refused, or an address.
  expect(/status of 40[13]|status of 422/);
  expect(NETWORK);
  const context = await newContext();
  const page = await context.newPage();
  // Makes the address known.
  await chosen();
  await book(HOST);
  const mail = await nextMail();
  const link = linkOf(mail);

  await check("a mail's link opens what comes by mail, and leaves the address bar", async () => {
    await page.goto(link.url);
    await ready(page);
    same(page.url(), `${SITE}/preferences`, "the address");
    await page.getByText("z…@example.org").waitFor();
    if ((await page.content()).includes(ADDRESS)) throw new Error("the page has the whole address");
    same(await page.locator("#person").isVisible(), false, "the address field");
    same(await box(page, "bookings").isChecked(), true, "bookings");
  });

  await check("one button ends mail of the kind that the reader came from, and nothing else", async () => {
    await page.getByRole("button", { name: "No more mail about: Bookings" }).click();
    await page.getByText("Saved.", { exact: true }).waitFor();
    same((await chosen()).channels, { bookings: { email: false } }, "what is chosen");
    await page.reload();
    await ready(page);
    same(await box(page, "bookings").isChecked(), false, "bookings after a reload");
    same(await page.locator("#stop").isVisible(), false, "the button");
  });

  await check("switches are worked by the keyboard", async () => {
    await box(page, "bookings").focus();
    await page.keyboard.press("Space");
    await page.keyboard.press("Enter");
    await page.getByText("Saved.", { exact: true }).waitFor();
    same((await chosen()).channels.bookings, { email: true }, "bookings");
  });

  await check("a scanner that opens the mail's link changes nothing, one click of a mail program does", async () => {
    const path = `/notifications/unsubscribe?key=${link.key}`;
    const scanned = await fetch(new URL(path, settings.server), { redirect: "manual" });
    same(scanned.status, 303, "the scanner's answer");
    same((await chosen()).channels.bookings, { email: true }, "after the scanner");
    const body = new URLSearchParams({ "List-Unsubscribe": "One-Click" });
    const clicked = await fetch(new URL(path, settings.server), { method: "POST", body });
    same(clicked.status, 200, "the mail program's answer");
    same((await chosen()).channels.bookings, { email: false }, "after the click");
  });

  await check("who has only a mail changes neither address nor language", async () => {
    const answer = await fetch(new URL("/notifications/preferences", settings.server), {
      method: "PUT",
      headers: { "x-link-key": link.key, "content-type": "application/json" },
      body: JSON.stringify({ email: "mallory@example.org" }),
    });
    same([answer.status, (await answer.json()).code], [403, "link_scope"], "the answer");
    same((await chosen()).email, null, "the address");
  });

  await check("a front end's link opens everything, and a wrong address is refused in words", async () => {
    const { url } = await api("/notifications/preferences/link", { method: "POST", token: await mine() });
    await page.goto(`${SITE}/preferences${new URL(url, SITE).hash}`);
    await page.getByLabel("E-mail address").fill("nobody");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("This is no e-mail address.").waitFor();
    await page.getByLabel("E-mail address").fill("zoe.new@example.org");
    await box(page, "bookings").check();
    await save(page);
    same(await page.evaluate(() => document.activeElement.type), "submit", "where the focus is");
    await page.getByText("Mail goes to z…@example.org").waitFor();
    const now = await chosen();
    same([now.email, now.channels.bookings], ["zoe.new@example.org", { email: true }], "what is chosen");
    // What was chosen elsewhere meanwhile stays.
    const elsewhere = { ...now, locale: "de", channels: { ...now.channels, reviews: { email: false } } };
    await api("/notifications/preferences", { method: "PUT", token: await mine(), body: elsewhere });
    await page.getByLabel("E-mail address").fill("");
    await save(page);
    same(await chosen(), { ...elsewhere, email: null }, "what is chosen");
  });

  await check("a link that was cut opens nothing, and says what to do", async () => {
    await page.goto(`${SITE}/preferences#key=${link.key.slice(0, -4)}`);
    await page.getByRole("heading", { name: "This link does not open anything" }).waitFor();
    same(await page.locator("#form").isVisible(), false, "the form");
    await isAccessible(page);
    await page.goto(`${SITE}/preferences#key=${encodeURIComponent("Ünlesbar")}`);
    await page.getByRole("heading", { name: "This link does not open anything" }).waitFor();
  });

  await check("what was not answered is not known to be saved, and is tried again", async () => {
    await page.goto("about:blank");
    await page.goto(link.url);
    await ready(page);
    await box(page, "bookings").uncheck();
    proxy.refuse();
    proxy.cut();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("it is not known whether this was saved").waitFor();
    proxy.refuse(false);
    same(await box(page, "bookings").isChecked(), false, "the choice");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.getByText("Saved.", { exact: true }).waitFor();
    same((await chosen()).channels.bookings, { email: false }, "bookings");
  });

  await check("it works where the browser keeps nothing", async () => {
    const forgetful = await newContext();
    await forgetful.addInitScript(() => {
      const get = () => {
        throw new DOMException("no", "SecurityError");
      };
      Object.defineProperty(window, "sessionStorage", { get });
    });
    const tab = await forgetful.newPage();
    await tab.goto(link.url);
    await ready(tab);
    same(tab.url(), `${SITE}/preferences`, "the address");
    await box(tab, "bookings").check();
    await save(tab);
    await forgetful.close();
  });

  await check("pages and mail are accessible in every look", async () => {
    for (const { name, ...look } of LOOKS) {
      const looking = await newContext(look);
      const tab = await looking.newPage();
      await tab.goto(link.url);
      await ready(tab);
      await isAccessible(tab);
      await shoot(tab, `preferences-${name}`);
      const width = await tab.evaluate(() => document.documentElement.scrollWidth);
      if (width > look.viewport.width) throw new Error(`${name}: ${width} px wide`);
      // On an empty page: where the server shows it, a mail runs no script, and so no axe.
      const letter = await looking.newPage();
      await letter.setContent(await (await fetch(new URL(mail.url, settings.server))).text());
      // The landmarks are those of the program that shows it.
      await isAccessible(letter, { without: ["landmark-one-main", "region"] });
      const mailWidth = await letter.evaluate(() => document.documentElement.scrollWidth);
      if (mailWidth > look.viewport.width) throw new Error(`the mail, ${name}: ${mailWidth} px wide`);
      await shoot(letter, `mail-${name}`);
      await looking.close();
    }
  });

  await check("it speaks the reader's language, from the right where that is so", async () => {
    for (const [locale, title, direction] of [
      ["de-AT", "Was Sie per E-Mail bekommen", "ltr"],
      ["ar-EG", "ما يصلك بالبريد الإلكتروني", "rtl"],
      ["sv-SE", "What you get by mail", "ltr"],
    ]) {
      const reading = await newContext({ locale, viewport: { width: 360, height: 740 } });
      const tab = await reading.newPage();
      await tab.goto(link.url);
      await ready(tab);
      await tab.getByRole("heading", { name: title }).waitFor();
      same(await tab.evaluate(() => document.documentElement.dir), direction, `the direction of ${locale}`);
      await isAccessible(tab);
      await shoot(tab, `preferences-${locale}`);
      await reading.close();
    }
  });
});
