// The languages that the bell speaks, their plurals, and those that are written from right to left.

import { counts, embed, must, says, shoot } from "./embed.mjs";
import { book, check, eventually, isAccessible, run, SITE, token } from "./support.mjs";

await run(async ({ context }) => {
  for (let at = 0; at < 3; at += 1) await book("languages");
  const bearer = await token("languages");

  await check("it speaks the page's language, and from right to left", async () => {
    const here = await context({ locale: "en-GB" });
    const page = await here.newPage();
    const unread = 3;
    let bell = await embed(page, { token: bearer });
    for (const [lang, name, dir] of [
      ["en", `Notifications, ${unread} unread`, "ltr"],
      ["de-AT", `Benachrichtigungen, ${unread} ungelesen`, "ltr"],
      ["fr", `Notifications, ${unread} non lues`, "ltr"],
      ["es", `Notificaciones, ${unread} sin leer`, "ltr"],
      ["it", `Notifiche, ${unread} non lette`, "ltr"],
      ["pt-BR", `Notificações, ${unread} não lidas`, "ltr"],
      ["nl", `Meldingen, ${unread} ongelezen`, "ltr"],
      ["ar", `الإشعارات, ${unread} إشعارات غير مقروءة`, "rtl"],
      ["he", `התראות, ${unread} התראות שלא נקראו`, "rtl"],
      ["xx", `Notifications, ${unread} unread`, "ltr"],
      ["de_DE", `Benachrichtigungen, ${unread} ungelesen`, "ltr"],
      ["constructor", `Notifications, ${unread} unread`, "ltr"],
      ["de-", `Benachrichtigungen, ${unread} ungelesen`, "ltr"],
    ]) {
      await bell.host.evaluate((element, lang) => element.setAttribute("lang", lang), lang);
      await eventually(`${lang} says ${name}`, async () => (await bell.button.getAttribute("aria-label")) === name);
      await bell.open();
      must(`${lang} runs ${dir}`, (await bell.panel.evaluate((panel) => getComputedStyle(panel).direction)) === dir);
      await counts(bell.items, unread);
    }
    for (const [at, lang] of ["ar", "he"].entries()) {
      bell = await embed(page, { token: bearer, lang, dir: "rtl" });
      await bell.open();
      await counts(bell.items, unread);
      await isAccessible(page);
      await shoot(page, `rtl-${lang}`);
      const [button, heading] = [await bell.button.boundingBox(), await bell.find("#heading").boundingBox()];
      must(`${at}: the end is at the left`, button.x < 100 && heading.x > 100);
    }
    bell = await embed(page, { token: bearer, lang: "en", attributes: { lang: "de" } });
    await bell.open();
    must(
      "its own language goes before the page's",
      (await bell.find("#heading").textContent()) === "Benachrichtigungen",
    );
    await bell.host.evaluate((element) => element.setAttribute("lang", "fr"));
    await says(bell.find("#heading"), "Notifications");
    await here.close();
  });

  await check("plurals are those of the language", async () => {
    const here = await context();
    const page = await here.newPage();
    await page.goto(`${SITE}/blank`);
    const said = await page.evaluate(async () => {
      const { Language } = await import("/assets/bell-language.js");
      const numbers = [0, 1, 2, 3, 11, 100];
      return Object.fromEntries(
        ["de", "ar", "he"].map((tag) => [tag, numbers.map((n) => new Language([tag]).say("arrived", { n }))]),
      );
    });
    const wanted = {
      de: [
        "0 neue Benachrichtigungen",
        "1 neue Benachrichtigung",
        "2 neue Benachrichtigungen",
        "3 neue Benachrichtigungen",
        "11 neue Benachrichtigungen",
        "100 neue Benachrichtigungen",
      ],
      ar: [
        "لا إشعارات جديدة",
        "إشعار جديد",
        "إشعاران جديدان",
        "3 إشعارات جديدة",
        "11 إشعارًا جديدًا",
        "100 إشعار جديد",
      ],
      he: ["0 התראות חדשות", "התראה חדשה", "שתי התראות חדשות", "3 התראות חדשות", "11 התראות חדשות", "100 התראות חדשות"],
    };
    for (const [tag, texts] of Object.entries(wanted))
      must(`${tag}: ${said[tag].join("|")}`, said[tag].join() === texts.join());
    await here.close();
  });

  await check("times are relative within the hour, and of the day before that", async () => {
    const here = await context({ timezoneId: "Europe/Berlin" });
    const page = await here.newPage();
    await page.goto(`${SITE}/blank`);
    const said = await page.evaluate(async () => {
      const { Language } = await import("/assets/bell-language.js");
      const now = Date.parse("2026-03-10T12:00:00Z");
      const after = [-5 * 60, 10, 5 * 60, 3 * 3600];
      return ["en", "de", "es"].map((tag) =>
        after.map((seconds) => new Language([tag]).ago(now - seconds * 1000, now)).join(" | "),
      );
    });
    const wanted = [
      "now | now | 5 minutes ago | 10:00 AM",
      "jetzt | jetzt | vor 5 Minuten | 10:00",
      "ahora | ahora | hace 5 minutos | 10:00",
    ];
    must(`said: ${said}`, said.map((line) => line.replaceAll("\u202f", " ")).join() === wanted.join());
    await here.close();
  });

  await check("every language has every text", async () => {
    const here = await context();
    const page = await here.newPage();
    await page.goto(`${SITE}/blank`);
    const lacking = await page.evaluate(async () => {
      const { westernTexts } = await import("/assets/bell-texts.js");
      const { semiticTexts } = await import("/assets/bell-texts-rtl.js");
      const fields = (text) =>
        JSON.stringify([...new Set(JSON.stringify(text).match(/\{\w+\}/g) ?? [])].filter((field) => field !== "{n}"));
      return Object.entries({ ...westernTexts, ...semiticTexts }).flatMap(([tag, texts]) =>
        Object.keys(westernTexts.en)
          .filter(
            (name) =>
              !texts[name] ||
              fields(texts[name]) !== fields(westernTexts.en[name]) ||
              (typeof texts[name] === "object" && !texts[name].other),
          )
          .map((name) => `${tag}.${name}`),
      );
    });
    must(`lacking: ${lacking}`, lacking.length === 0);
    await here.close();
  });
});
