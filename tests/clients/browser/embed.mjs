// A page with a bell in it, as any site would put it there, and what the bell's tests look at.

import { eventually, settings, SITE } from "./support.mjs";

/** Opens an empty page of the server's with `<bellhop-bell>` in its corner, and answers what finds things in it. */
export async function embed(
  page,
  { token, attributes = {}, lang = "en", dir, corner = "end", expectLive = true } = {},
) {
  await page.goto(`${SITE}/blank`);
  await page.evaluate(
    ({ token, attributes, lang, dir, corner }) => {
      document.documentElement.lang = lang;
      if (dir) document.documentElement.dir = dir;
      document.documentElement.style.colorScheme = "light dark";
      const viewport = Object.assign(document.createElement("meta"), {
        name: "viewport",
        content: "width=device-width, initial-scale=1",
      });
      const script = Object.assign(document.createElement("script"), { type: "module", src: "/bellhop-bell.js" });
      document.head.append(viewport, script);
      const [edge, side] = corner.includes("-") ? corner.split("-") : ["top", corner];
      const header = document.createElement("header");
      Object.assign(header.style, { position: "fixed", insetInline: "0", padding: "8px", display: "flex" });
      Object.assign(header.style, { [edge]: "0", justifyContent: side === "start" ? "flex-start" : "flex-end" });
      const title = Object.assign(document.createElement("h1"), { textContent: "A site" });
      const main = document.createElement("main");
      main.append(title, ...document.body.childNodes);
      const bell = document.createElement("bellhop-bell");
      for (const [name, value] of Object.entries(attributes)) bell.setAttribute(name, value);
      bell.token = token;
      header.append(bell);
      document.body.replaceChildren(header, main);
    },
    { token, attributes, lang, dir, corner },
  );
  const bell = look(page);
  if (expectLive) await bell.isLive();
  return bell;
}

/** What finds things in the bell of a page, or of a part of one. */
export function look(page) {
  const host = page.locator("bellhop-bell");
  const find = (selector) => host.locator(selector);
  return {
    host,
    find,
    button: find(".bell"),
    badge: find(".badge"),
    panel: find(".panel"),
    items: find("li"),
    toasts: find(".toast:not(.rest)"),
    isLive: () => eventually("the bell is live", () => host.evaluate((bell) => bell.client?.state === "live")),
    focused: () =>
      host.evaluate((bell) => bell.shadowRoot.activeElement?.textContent || bell.shadowRoot.activeElement?.className),
    async open() {
      await find(".bell").click();
      await eventually("the list is there", () =>
        host.evaluate((bell) => bell.shadowRoot.querySelectorAll("li, .empty").length > 0),
      );
    },
  };
}

export async function counts(locator, number) {
  await eventually(`${number} of ${locator}`, async () => (await locator.count()) === number);
}

export async function says(locator, text) {
  await eventually(`“${text}” in ${locator}`, async () => (await locator.textContent()) === text);
}

/** Throws unless it is so. */
export function must(what, so) {
  if (!so) throw new Error(what);
}

/** A picture of the page, where a setting says the folder. */
export async function shoot(page, name) {
  if (settings.shots) await page.screenshot({ path: `${settings.shots}/${name}.png` });
}
