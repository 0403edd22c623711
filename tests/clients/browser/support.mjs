// What every browser script shares: Chromium, the network between it and the server, tokens and bookings, checks with
// deadlines, and the eyes that see what a page should not have done. A script is
//
//   await run(async ({ proxy, context }) => { await check("a sentence", async () => { … }); });
//
// and takes the server's address from its argument: '{"server":"http://127.0.0.1:3000"}'. Pages are opened at `SITE`,
// which is the server behind the proxy. For pages of elsewhere the server's CORS_ORIGIN must name `FOREIGN`.

import { readFileSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";

import { chromium } from "playwright-core";

import { Proxy } from "./proxy.mjs";

export const settings = JSON.parse(process.argv[2] ?? "{}");

// The origins under which Chromium knows the proxy and a script's own pages. Names under localhost count as secure, as
// Web Locks want it, and always being the same they can be named in the server's configuration.
export const SITE = "http://bellhop.localhost";
export const FOREIGN = "http://foreign.localhost";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const WHOLE_SCRIPT_MS = 240_000;
const CHECK_MS = 60_000;
export const EVENTUALLY_MS = 20_000;
const LOOK_EVERY_MS = 25;

// Runs a script: gives it a browser, and closes everything whatever happens. `pages` are those of FOREIGN: path → HTML,
// or { type, body }.
export async function run(script, { pages = {} } = {}) {
  const proxy = new Proxy(settings.server);
  const foreign = http.createServer((request, response) => serve(pages, request, response));
  const noise = new Noise();
  const overdue = setTimeout(() => fail(new Error("the script took too long"), 1), WHOLE_SCRIPT_MS);
  let browser;
  try {
    const port = await proxy.open();
    await new Promise((resolve) => foreign.listen(0, "127.0.0.1", resolve));
    const names = [[SITE, port], [FOREIGN, foreign.address().port]];
    const rules = names.map(([origin, port]) => `MAP ${new URL(origin).hostname}:80 127.0.0.1:${port}`);
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [...FLAGS, `--host-resolver-rules=${rules.join(",")}`],
    });
    const context = (options) => newContext(browser, noise, options);
    await script({ proxy, browser, context, expect: (pattern) => noise.expected.push(pattern) });
    noise.check();
  } catch (error) {
    fail(error);
  } finally {
    clearTimeout(overdue);
    await browser?.close();
    foreign.closeAllConnections();
    await Promise.all([proxy.close(), new Promise((resolve) => foreign.close(resolve))]);
  }
}

function serve(pages, request, response) {
  const page = pages[request.url.split("?")[0]];
  if (request.url === "/favicon.ico") return response.writeHead(204).end();
  if (!page) return response.writeHead(404).end();
  const { type = "text/html", body = page } = typeof page === "string" ? {} : page;
  response.writeHead(200, { "content-type": `${type}; charset=utf-8` }).end(body);
}

function fail(error, code) {
  process.stdout.write(`${JSON.stringify({ saw: "failed", data: String(error?.stack ?? error) })}\n`);
  process.exitCode = 1;
  if (code) process.exit(code);
}

async function newContext(browser, noise, options) {
  const context = await browser.newContext({ viewport: { width: 1024, height: 768 }, ...options });
  context.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") noise.heard(message.text());
  });
  context.on("weberror", (error) => noise.heard(`uncaught: ${error.error()?.stack ?? error.error()}`));
  return context;
}

// What pages say on their console, errors that nobody caught, and violations of the policy, which Chromium reports there.
class Noise {
  expected = [];
  #heard = [];

  heard(text) {
    this.#heard.push(text);
  }

  check() {
    const unexpected = this.#heard.filter((text) => !this.expected.some((pattern) => pattern.test(text)));
    if (unexpected.length) throw new Error(`the pages said: ${unexpected.join("\n")}`);
  }
}

// What Chromium itself writes when a connection fails, whatever a page does about it.
export const NETWORK = /^Failed to load resource: net::ERR_|^WebSocket connection to .* failed/;

// Does one check, and says that it passed.
export async function check(name, body, deadline = CHECK_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${deadline} ms`)), deadline);
  });
  try {
    await Promise.race([body(), late]);
  } catch (error) {
    throw new Error(`${name}: ${error.message}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
  process.stdout.write(`${JSON.stringify({ saw: "passed", data: name })}\n`);
}

// Waits until `look` answers something true, and answers that.
export async function eventually(what, look, deadline = EVENTUALLY_MS) {
  const until = Date.now() + deadline;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > until) throw new Error(`not within ${deadline} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

// One request to the server itself, past the proxy; answers the JSON, or throws.
export async function api(path, { token, method = "GET", body, headers = {} } = {}) {
  const response = await fetch(new URL(path, settings.server), {
    method,
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body && { "content-type": "application/json" }),
      ...headers,
    },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : null;
}

// A token; `options` are the other fields of POST /dev/token, such as `expiresIn` in seconds.
export async function token(userId, role = "PROFESSIONAL", options = {}) {
  const body = { userId, role, ...options };
  return (await api("/dev/token", { method: "POST", body })).token;
}

// A booking of a listing of `hostId`'s: answers the booking and its notification's id and seq.
export async function book(hostId, fields = {}) {
  const body = { hostId, listingId: "sea-view", listingName: "Sea View", ...someNights(), guests: 2, ...fields };
  return api("/bookings", { method: "POST", token: await token("demo-guest", "CUSTOMER"), body });
}

function someNights() {
  const day = (days) => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
  return { checkIn: day(30), checkOut: day(32) };
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const STANDARD = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

// Throws if axe finds a fault on the page as it stands, in open shadow trees as well. `without` are rules to leave out.
export async function isAccessible(page, { within, without = [] } = {}) {
  await page.evaluate(`${axe};0`);
  const violations = await page.evaluate(
    async ([within, tags, without]) => {
      const rules = Object.fromEntries(without.map((rule) => [rule, { enabled: false }]));
      const { violations } = await globalThis.axe.run(within ?? document, {
        runOnly: { type: "tag", values: tags },
        rules,
      });
      return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map((node) => node.html).join(" ")}`);
    },
    [within, STANDARD, without],
  );
  if (violations.length) throw new Error(violations.join("\n"));
}
