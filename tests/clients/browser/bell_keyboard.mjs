// The bell with the keyboard alone, and as a screen reader is told of it.

import { counts, embed, must, says, shoot } from "./embed.mjs";
import { api, book, check, eventually, run, token } from "./support.mjs";

await run(async ({ context }) => {
  const admin = await token("desk", "ADMIN");
  for (let at = 1; at <= 30; at += 1) {
    await api("/notifications", {
      method: "POST",
      token: admin,
      body: { userId: "keys", type: "note", title: `Note ${at}` },
    });
  }
  const here = await context();
  const page = await here.newPage();
  const bell = await embed(page, { token: await token("keys") });
  const press = (key) => page.keyboard.press(key);
  // What has focus, in a few words: the class of a button, or the title of a notification.
  const focus = () =>
    bell.host.evaluate((bell) => {
      const at = bell.shadowRoot.activeElement;
      if (at?.id === "panel") return "panel";
      return at?.querySelector(".title")?.textContent ?? at?.getAttribute("aria-label") ?? at?.className ?? null;
    });
  const focusIs = (what) => eventually(`focus is on ${what}`, async () => (await focus()) === what);
  const saysIt = (is) =>
    eventually(
      `it says that it is ${is ? "open" : "closed"}`,
      async () => (await bell.button.getAttribute("aria-expanded")) === String(is),
    );

  await check("Tab reaches the bell, Enter opens it, Escape closes it and gives focus back", async () => {
    await press("Tab");
    await focusIs("Notifications, 30 unread");
    await saysIt(false);
    must("it says what it opens", (await bell.button.getAttribute("aria-haspopup")) === "dialog");
    await press("Enter");
    await focusIs("panel");
    await saysIt(true);
    must("the dialog has its heading's name", (await bell.find("#heading").textContent()) === "Notifications");
    await press("Escape");
    await focusIs("Notifications, 30 unread");
    await saysIt(false);
    await press("Space");
    await focusIs("panel");
  });

  await check("Tab goes through the dialog, and stops once in the list", async () => {
    await counts(bell.items, 20);
    const names = [];
    for (let stop = 0; stop < 7; stop += 1) {
      await press("Tab");
      names.push(await focus());
    }
    const wanted = [
      "Mark all as read",
      "Sound",
      "Preferences",
      "Close",
      "Note 30",
      "Mark as read: Note 30",
      "Delete: Note 30",
    ];
    must(`the stops are ${names}`, names.join() === wanted.join());
    await shoot(page, "keyboard");
    await press("Tab");
    must("and then it goes on", !(await focus())?.startsWith("Note"));
    for (let back = 0; back < 3; back += 1) await press("Shift+Tab");
    await focusIs("Note 30");
  });

  await check("arrows, Home and End go from one to another, and the end brings more", async () => {
    await press("ArrowDown");
    await focusIs("Note 29");
    await press("ArrowUp");
    await press("ArrowUp");
    await focusIs("Note 30");
    await press("End");
    await focusIs("Note 11");
    await counts(bell.items, 30);
    await focusIs("Note 11");
    await press("ArrowDown");
    await focusIs("Note 10");
    await press("End");
    await focusIs("Note 1");
    await press("Home");
    await focusIs("Note 30");
    must(
      "what is focused is in sight, below its day",
      await bell.items.first().evaluate((item) => {
        const day = item.closest("section").querySelector("h3").getBoundingClientRect();
        return item.getBoundingClientRect().top >= day.bottom - 1;
      }),
    );
  });

  await check("Enter opens, which reads; Delete deletes, and focus goes to the next", async () => {
    await press("Enter");
    await eventually("it is read", async () => !(await bell.items.first().getAttribute("class")).includes("unread"));
    await focusIs("Note 30");
    await press("Delete");
    await focusIs("Note 29");
    await eventually("it is said", async () => (await bell.find("[aria-live]").textContent()) === "Deleted");
    await press("Tab");
    await focusIs("Mark as read: Note 29");
    await press("Enter");
    await focusIs("Note 29");
    await eventually("it is read", async () => !(await bell.items.first().getAttribute("class")).includes("unread"));
    await press("Tab");
    await focusIs("Delete: Note 29");
    await press("Enter");
    await focusIs("Note 28");
    await counts(bell.items, 28);
  });

  await check("an arrival does not take focus away, and is in front", async () => {
    await book("keys");
    await says(bell.items.first().locator(".title"), "New booking");
    await focusIs("Note 28");
    await press("ArrowUp");
    await focusIs("New booking");
  });

  await check("from the dialog itself the arrow leads into the list", async () => {
    await press("Escape");
    await press("Enter");
    await focusIs("panel");
    await press("ArrowDown");
    await focusIs("New booking");
    await press("Escape");
  });

  await check("a toast is reached by Tab, and Escape sends it away and gives focus back", async () => {
    await book("keys");
    await counts(bell.toasts, 1);
    await press("Tab");
    await focusIs("New booking");
    await press("Tab");
    await focusIs("Close: New booking");
    await press("Escape");
    await counts(bell.toasts, 0);
    await eventually("focus is on the bell", async () => (await focus()).startsWith("Notifications, "));
  });

  await check("a list is a list, and what is unread says so", async () => {
    await press("Enter");
    await counts(bell.items, 30);
    const tree = await bell.panel.ariaSnapshot();
    must(`a dialog by name: ${tree}`, tree.startsWith('- dialog "Notifications"'));
    for (const part of [
      '- heading "Today" [level=3]',
      '- list "Today"',
      "- listitem",
      '- button "unread. New booking Sea View is booked',
    ]) {
      must(`${part} in ${tree}`, tree.includes(part));
    }
  });

  await check("what has nothing left to do keeps the focus", async () => {
    await press("Escape");
    await press("Enter");
    await focusIs("panel");
    await press("Tab");
    await focusIs("Mark all as read");
    await press("Enter");
    await eventually("all is read", async () => (await bell.badge.isVisible()) === false);
    await eventually("that is said", () => bell.find("[part=mark-all]").isDisabled());
    must("focus is where it was", (await focus()) === "Mark all as read");
    await press("Tab");
    await focusIs("Sound");
  });

  await check("whoever asks again for what could not be had goes on from the last", async () => {
    await press("Escape");
    let broken = true;
    await page.route("**/notifications/list*", (route) =>
      broken ? route.fulfill({ status: 200, body: "no JSON" }) : route.continue(),
    );
    await bell.host.evaluate((element) => (element.token = element.token));
    await bell.isLive();
    await bell.button.focus();
    await press("Enter");
    await says(bell.find(".end p"), "This could not be loaded.");
    await bell.find(".end button").focus();
    broken = false;
    await press("Enter");
    await counts(bell.items, 20);
    await focusIs("panel");
  });
});
