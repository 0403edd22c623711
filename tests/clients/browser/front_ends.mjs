// The front ends that Node runs in `tests/clients`, as they stand, in a browser: with its own WebSocket, fetch,
// EventSource and cookies, and the official socket.io-client of both majors. What Node brings is lent to them by the page.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { FOREIGN, NETWORK, SITE, api, book, check, eventually, run, token } from "./support.mjs";

const folder = new URL("../", import.meta.url);
const file = (path) => readFileSync(fileURLToPath(new URL(path, folder)), "utf8");

// What the scripts import beside each other.
const LENT = {
  "node:readline": `export const createInterface = () => ({ on: (_, obey) => { globalThis.obey = obey; } });`,
  eventsource: `export const EventSource = globalThis.EventSource;`,
  "socket.io-client-v4": file("node_modules/socket.io-client-v4/dist/socket.io.esm.min.js"),
  // A script of before modules, which leaves its name with the page.
  "socket.io-client-v3": `${file("node_modules/socket.io-client-v3/dist/socket.io.min.js")}\nexport default globalThis.io;`,
};

const page = (script, settings) => `<!DOCTYPE html><html lang="en"><title>A front end</title>
<script>
  globalThis.said = [];
  globalThis.process = {
    argv: [null, null, ${JSON.stringify(JSON.stringify(settings))}],
    stdout: { write: (line) => globalThis.said.push(JSON.parse(line)) },
    on() {},
  };
</script>
<script type="importmap">${JSON.stringify({ imports: Object.fromEntries(Object.keys(LENT).map((name) => [name, `./lent-${encodeURIComponent(name)}`])) })}</script>
<script type="module" src="./${script}"></script></html>`;

// What FOREIGN serves: a page from there must come over the network to be allowed to ask what is on this machine.
const pages = Object.fromEntries(
  ["rabbitmq_bridge.mjs", "presence_sse.mjs", "presence_sse_events.mjs", "driver.mjs"]
    .map((name) => [name, file(name)])
    .concat(Object.entries(LENT).map(([name, text]) => [`lent-${encodeURIComponent(name)}`, text]))
    .map(([name, body]) => [`/front-ends/${name}`, { type: "text/javascript", body }]),
);

// Serves a front end's page, its scripts and what they are lent.
async function serve(context, origin, script, settings) {
  const body = page(script, settings);
  if (origin === FOREIGN) {
    pages["/front-ends/page"] = body;
    return;
  }
  await context.route(`${origin}/front-ends/**`, (route) => {
    const name = decodeURIComponent(new URL(route.request().url()).pathname.split("/").at(-1));
    if (name === "page") return route.fulfill({ contentType: "text/html", body });
    const lent = name.startsWith("lent-") && name.slice("lent-".length);
    return route.fulfill({ contentType: "text/javascript", body: lent ? LENT[lent] : file(name) });
  });
}

// A front end in a tab of its own, and what it says.
class FrontEnd {
  static async open(context, script, { origin = SITE, ...settings }) {
    await serve(context, origin, script, { server: SITE, ...settings });
    const tab = await context.newPage();
    await tab.goto(`${origin}/front-ends/page`);
    return new FrontEnd(tab);
  }

  constructor(tab) {
    this.tab = tab;
  }

  async lines() {
    return this.tab.evaluate(() => globalThis.said);
  }

  // Waits for a line of this name; answers what it said.
  async says(saw, matches = () => true) {
    const line = await eventually(`${saw}, but ${JSON.stringify(await this.lines())}`, async () =>
      (await this.lines()).find((line) => line.saw === saw && matches(line.data)),
    );
    return line.data;
  }

  async tell(command) {
    await this.tab.evaluate((line) => globalThis.obey(line), JSON.stringify(command));
  }

  // Asserts that it has said this once.
  async saidOnce(saw) {
    const times = (await this.lines()).filter((line) => line.saw === saw).length;
    if (times !== 1) throw new Error(`${saw} was said ${times} times`);
  }
}

const same = (one, other, what) => {
  if (one !== other) throw new Error(`${what}: ${one} is not ${other}`);
};

await run(async ({ browser, context: newContext, expect }) => {
  // A page that goes while it polls.
  expect(NETWORK);
  for (const version of [4, 3]) {
    const context = await newContext();
    const named = (name) => `${name}, with version ${version}`;

    await check(named("the gateway's: a relative URL and one event"), async () => {
      const host = `gateway-${version}`;
      const front = await FrontEnd.open(context, "gateway_jwt.mjs", { version, token: await token(host) });
      await front.says("connect");
      const { notification } = await book(host);
      same((await front.says("popup")).id, notification.id, "the notification");
      await front.saidOnce("popup");
      await front.tab.close();
    });

    await check(named("the roadmap's: a badge, a short socket and the list"), async () => {
      const host = `roadmap-${version}`;
      const settings = { version, token: await token(host), room: `host-${host}`, leavesAfter: 60_000 };
      const front = await FrontEnd.open(context, "hybrid_roadmap.mjs", settings);
      same(await front.says("badge"), 0, "the first badge");
      same(await front.says("joined"), settings.room, "the room");
      const { notification } = await book(host);
      same((await front.says("alert")).id, notification.id, "the notification");
      await front.says("badge", (unread) => unread === 1);
      await front.tell({ do: "dropdown" });
      same((await front.says("dropdown"))[0].id, notification.id, "the list");
      await front.tell({ do: "markAsRead", ids: [notification.id] });
      same((await front.says("marked")).unread, 0, "what is unread");
      await front.tab.close();
    });

    await check(named("the hook's: the cookie, likes, comments and followers"), async () => {
      const user = `hook-${version}`;
      await context.addCookies([{ name: "token", value: await token(user), url: SITE, sameSite: "Lax" }]);
      const front = await FrontEnd.open(context, "visual_architecture.mjs", { version, user });
      await front.says("✅ Subscribed:");
      const service = await token("likes", "SERVICE");
      const publish = (body) => api("/notifications", { method: "POST", token: service, body: { userId: user, ...body } });
      await publish({ type: "LIKE", message: "Somebody liked your post", data: { postId: "post-1" } });
      await publish({ type: "COMMENT", message: "Somebody commented", data: { commentId: "c-1" } });
      await publish({ type: "FOLLOW", message: "Somebody follows you" });
      same(await front.says("post"), "post-1", "the post");
      same(await front.says("comment"), "c-1", "the comment");
      await front.says("follower");
      await front.says("render", ({ badge, offline }) => badge === 3 && !offline);
      await front.tell({ do: "unmount" });
      await front.says("disconnect");
      await context.clearCookies();
      await front.tab.close();
    });

    await check(named("the bridge's: from another origin, the badge and an alert"), async () => {
      const user = `bridge-${version}`;
      const settings = { version, token: await token(user), user, origin: FOREIGN };
      const front = await FrontEnd.open(context, "rabbitmq_bridge.mjs", settings);
      await front.says("connect");
      const { notification } = await book(user);
      same((await front.says("alert")).id, notification.id, "the notification");
      await front.says("badge", (unread) => unread === 1);
      await front.tab.close();
    });

    await check(named("the service's: from another origin, events by their types"), async () => {
      const host = `service-${version}`;
      const settings = { version, token: await token(host), origin: FOREIGN };
      const front = await FrontEnd.open(context, "presence_sse.mjs", settings);
      await front.says("Connected to notification service");
      const { notification } = await book(host);
      same((await front.says("New booking:")).id, notification.id, "the notification");
      await front.saidOnce("New booking:");
      await front.tell({ do: "disconnect" });
      await front.says("Disconnected from notification service");
      await front.tab.close();
    });
    await context.close();
  }

  await check("the stream's: the browser's own EventSource", async () => {
    const context = await newContext();
    const settings = { token: await token("stream"), origin: FOREIGN };
    const front = await FrontEnd.open(context, "presence_sse_events.mjs", settings);
    await front.says("SSE connection opened");
    const { notification } = await book("stream");
    same((await front.says("New booking:")).id, notification.id, "the notification");
    await front.saidOnce("New booking:");
    await context.close();
  });
}, { pages });
