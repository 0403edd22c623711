// Who is online, what an administrator does to them, and broadcasts: a host whose page is open is seen, told, thrown
// out and kept out.

import { NETWORK, SITE, check, eventually, run, token } from "./support.mjs";

/** Opens a page that is a host's device: connected, keeping what it hears. */
async function device(context, user) {
  const page = await context.newPage();
  await page.goto(`${SITE}/blank`);
  await connect(page, await token(user, "PROFESSIONAL"));
  return page;
}

function connect(page, token) {
  return page.evaluate(
    (token) =>
      new Promise((resolve) => {
        globalThis.heard = [];
        globalThis.endedWith = null;
        const socket = new WebSocket(`/ws/notifications?token=${token}`);
        socket.onopen = () => resolve(true);
        socket.onmessage = ({ data }) => heard.push(JSON.parse(data));
        socket.onclose = ({ code }) => {
          globalThis.endedWith = code;
          resolve(false);
        };
      }),
    token,
  );
}

await run(async ({ context, expect }) => {
  expect(NETWORK);
  const browser = await context();
  const desk = await browser.newPage();
  const admin = await token("demo-admin", "ADMIN");
  await desk.addInitScript((token) => sessionStorage.setItem("bellhop.desk.token", token), admin);
  await desk.goto(`${SITE}/admin#/presence`);
  const row = desk.getByRole("row").filter({ hasText: "desk-host" });
  let host;

  await check("nobody is online, and the page says what that means", async () => {
    await desk.getByText("Nobody is online. Notifications are mailed").waitFor();
  });

  await check("a host who connects is seen, with door and time", async () => {
    host = await device(browser, "desk-host");
    // Chromium draws a page that is behind another one rarely.
    await desk.bringToFront();
    await row.getByText("WebSocket, since").waitFor();
    await desk.getByText("1 user online by 1 connection.").waitFor();
    await row.getByText("PROFESSIONAL").waitFor();
  });

  await check("what is not there is told apart from what is", async () => {
    await desk.getByLabel("User id", { exact: true }).fill("somebody-else");
    await desk.getByLabel("User id", { exact: true }).press("Enter");
    await desk.getByText("somebody-else is not online").waitFor();
    if (!desk.url().endsWith("#/presence?userId=somebody-else")) throw new Error(desk.url());
    await desk.getByRole("link", { name: "Clear" }).click();
    await row.waitFor();
  });

  await check("a refresh leaves the focus where it is", async () => {
    const link = row.getByRole("link", { name: "desk-host" });
    await link.focus();
    const second = await device(browser, "desk-host");
    await desk.getByText("1 user online by 2 connections.").waitFor();
    const held = await link.evaluate((node) => node === document.activeElement);
    if (!held) throw new Error("the focus is gone");
    await second.close();
    await desk.bringToFront();
  });

  await check("a broadcast says to how many, asks, and reaches the host", async () => {
    await desk.getByRole("link", { name: "Broadcast", exact: true }).click();
    await desk.getByLabel("Title").fill("Back at six <b>o'clock</b>");
    await desk.getByLabel("Message").fill("The platform rests for an hour.");
    await desk.getByLabel("To", { exact: true }).selectOption("PROFESSIONAL");
    await desk.getByRole("button", { name: "Look it over and send" }).click();
    const dialog = desk.getByRole("dialog", { name: "Send to everybody with the role PROFESSIONAL?" });
    await dialog.getByText("1 of whom are online now").waitFor();
    await dialog.getByText("Back at six <b>o'clock</b>").waitFor();
    if (await host.evaluate(() => heard.some(({ event }) => event === "system.maintenance"))) {
      throw new Error("it went before it was confirmed");
    }
    await dialog.getByRole("button", { name: "Send it" }).click();
    await desk.getByText("Accepted and kept").waitFor();
    await eventually("the host hears it", () =>
      host.evaluate(() =>
        heard.some(({ event, data }) => event === "system.maintenance" && data.title.startsWith("Back at six")),
      ),
    );
    await desk.getByText("Done: 1 user was told.").waitFor();
  });

  await check("one that is passing reaches the host and is kept for nobody", async () => {
    await desk.goto(`${SITE}/admin#/broadcast`);
    await desk.getByLabel("Title").fill("Passing by");
    await desk.getByLabel("Passing").check();
    await desk.getByRole("button", { name: "Look it over and send" }).click();
    await desk.getByRole("button", { name: "Push it" }).click();
    await desk.getByText("Pushed to whoever is online").waitFor();
    await eventually("the host hears it", () =>
      host.evaluate(() => heard.some(({ data }) => data?.title === "Passing by")),
    );
  });

  await check("who presses twice is asked once, and sends once", async () => {
    await desk.goto(`${SITE}/admin#/broadcast`);
    await desk.getByLabel("Title").fill("Only once");
    await desk.getByLabel("Passing").uncheck();
    // At once: when it is asked, Enter is an answer to that.
    await desk.getByLabel("Title").evaluate(({ form }) => [form, form].forEach((each) => each.requestSubmit()));
    await desk.getByRole("button", { name: "Send it" }).click();
    await desk.getByText(/^Done: \d+ users? (was|were) told/).waitFor();
    if (await desk.getByRole("dialog").count()) throw new Error("it is asked once more");
    const heard = () => host.evaluate(() => heard.filter(({ data }) => data?.title === "Only once").length);
    await eventually("the host hears it", heard);
    if ((await heard()) !== 1) throw new Error("the host heard it twice");
  });

  await check("the same draft after an answer that was lost is the same broadcast", async () => {
    const keys = [];
    await desk.route("**/admin/notifications/broadcast", (route) => {
      keys.push(route.request().headers()["idempotency-key"]);
      return keys.length === 1 ? route.abort() : route.continue();
    });
    await desk.goto(`${SITE}/admin#/broadcast`);
    for (let tries = 0; tries < 2; tries += 1) {
      await desk.getByLabel("Title").fill("Told again");
      await desk.getByRole("button", { name: "Look it over and send" }).click();
      await desk.getByRole("button", { name: "Send it" }).click();
      if (tries) continue;
      await desk.getByRole("dialog").getByText("cannot be reached").waitFor();
      await desk.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    }
    await desk.getByText(/^Done: /).waitFor();
    if (!keys[0] || keys[0] !== keys[1]) throw new Error(`the keys were ${keys}`);
    await desk.unroute("**/admin/notifications/broadcast");
  });

  await check("a broadcast that the server refuses is explained in the dialog", async () => {
    expect(/status of 422/);
    await desk.goto(`${SITE}/admin#/broadcast`);
    await desk.getByLabel("Title").fill("Never");
    await desk.getByLabel("Type").fill("heartbeat");
    await desk.getByRole("button", { name: "Look it over and send" }).click();
    await desk.getByRole("button", { name: "Send it" }).click();
    const dialog = desk.getByRole("dialog");
    await dialog.getByText("is a name that the protocol uses itself").waitFor();
    await dialog.getByText("Request").waitFor();
    await dialog.getByRole("button", { name: "Cancel" }).click();
  });

  await check("disconnecting asks first, and ends her connection", async () => {
    await desk.goto(`${SITE}/admin#/user/desk-host`);
    await desk.getByText("online", { exact: true }).waitFor();
    await desk.getByRole("button", { name: "Disconnect desk-host" }).click();
    await desk.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    if (await host.evaluate(() => endedWith)) throw new Error("it was done without being confirmed");
    await desk.getByRole("button", { name: "Disconnect desk-host" }).click();
    await desk.getByRole("dialog").getByRole("button", { name: "Disconnect", exact: true }).click();
    await desk.locator("#notices").getByText("Disconnected desk-host").waitFor();
    await eventually("her connection is ended", async () => (await host.evaluate(() => endedWith)) === 4004);
  });

  await check("who is gone is taken off", async () => {
    await desk.getByText("No device is connected").waitFor({ timeout: 12_000 });
    await desk.goto(`${SITE}/admin#/presence`);
    await desk.getByText("Nobody is online.").waitFor();
  });

  await check("revoking keeps her token out, and a new one in", async () => {
    const old = await token("desk-host", "PROFESSIONAL");
    await desk.goto(`${SITE}/admin#/user/desk-host`);
    await desk.getByRole("button", { name: "Revoke tokens of desk-host" }).click();
    await desk.getByRole("dialog").getByRole("button", { name: "Revoke", exact: true }).click();
    await desk.locator("#notices").getByText("Revoked all tokens of desk-host").waitFor();
    if (await connect(host, old)) throw new Error("the old token still works");
    if (!(await connect(host, await token("desk-host", "PROFESSIONAL")))) throw new Error("a new token does not work");
  });

  await check("all of it is in the audit", async () => {
    await desk.goto(`${SITE}/admin#/audit`);
    for (const deed of ["revoked a user's tokens", "disconnected a user", "sent a broadcast"]) {
      await desk.getByRole("row").filter({ hasText: deed }).first().waitFor();
    }
    await desk.getByLabel("Deed", { exact: true }).selectOption("disconnect");
    await eventually(
      "the others are left out",
      async () =>
        (await desk.getByRole("row").filter({ hasText: "disconnected a user" }).count()) === 1 &&
        (await desk.getByRole("row").count()) === 2,
    );
  });
});
