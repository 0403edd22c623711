// A network that a test may break: a TCP proxy in front of the server, which passes everything on until it is told to
// cut, to refuse, to fall silent, or to stand in the way of WebSockets or of event streams as some companies' proxies do.
// It answers `/blank` itself, an empty page of the server's origin under the policy of the server's pages, and `/hang`, but
// only when it is told to: a page that asks for that synchronously hangs.

import net from "node:net";

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; " +
  "form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
const BLANK = '<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Blank</title><p>Blank</p></html>';

export class Proxy {
  #server = net.createServer((client) => this.#pass(client));
  #target;
  #sockets = new Set();
  #streams = new Set();
  #is = { refusing: false, silent: false, busy: null, websockets: "pass", streams: "pass" };
  #swallows = null;
  #hanging = [];
  // How often something was asked for, "GET /notifications/count" → 3, and when.
  asked = new Map();
  times = new Map();

  constructor(server) {
    const { hostname, port } = new URL(server);
    this.#target = { host: hostname, port: Number(port || 80) };
  }

  // Answers the port it listens on.
  async open() {
    await new Promise((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this.#server.address().port;
  }

  async close() {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  // Ends every connection there is, without a word.
  cut() {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  // Whether new connections are hung up on.
  refuse(refusing = true) {
    this.#is.refusing = refusing;
  }

  // Whether connections stay open while nothing passes; what came meanwhile passes afterwards.
  silence(silent = true) {
    this.#is.silent = silent;
    for (const socket of this.#sockets) silent ? socket.pause() : socket.resume();
  }

  // What becomes of WebSockets and of event streams: they "pass", the proxy will "hold" what the server says for ever, or
  // "block" them with 403.
  websockets(fate) {
    this.#is.websockets = fate;
  }

  streams(fate) {
    this.#is.streams = fate;
  }

  // Answers every request with 503 and this many seconds to wait; null for no longer.
  busy(seconds) {
    this.#is.busy = seconds;
  }

  // Loses the next of what a stream says that has this text in it, which no honest network would do.
  swallow(text) {
    this.#swallows = text;
  }

  // Answers whoever hangs.
  release() {
    for (const client of this.#hanging.splice(0)) client.end(answer("200 OK", "text/plain", ""));
  }

  // Ends the connections that are WebSockets or event streams.
  cutStreams() {
    for (const socket of this.#streams) socket.resetAndDestroy();
  }

  #pass(client) {
    if (this.#is.refusing) return client.resetAndDestroy();
    const server = net.connect(this.#target);
    let held = false;
    for (const [from, to] of [[client, server], [server, client]]) {
      this.#sockets.add(from);
      from.setNoDelay(true);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#sockets.delete(from);
        this.#streams.delete(from);
        to.destroy();
      });
      if (this.#is.silent) from.pause();
    }
    client.on("data", (bytes) => {
      const fate = this.#judge(bytes, client);
      if (fate === "hold") held = true;
      if (fate === "pass" || fate === "hold") return server.write(bytes);
      if (fate === "hang") return this.#hanging.push(client);
      client.end(fate);
    });
    server.on("data", (bytes) => {
      if (held || this.#isSwallowed(bytes, client)) return;
      client.write(bytes);
    });
  }

  #isSwallowed(bytes, client) {
    if (!this.#swallows || !this.#streams.has(client) || !bytes.includes(this.#swallows)) return false;
    this.#swallows = null;
    return true;
  }

  // What becomes of these bytes of a client: browsers send a request's head in one piece.
  #judge(bytes, client) {
    const [line] = bytes.toString("latin1", 0, 2000).split("\r\n", 1);
    const [, method, path] = /^([A-Z]+) ([^ ?]+)\S* HTTP\/1\.1$/.exec(line) ?? [];
    if (!method) return "pass";
    const name = `${method} ${path}`;
    this.asked.set(name, (this.asked.get(name) ?? 0) + 1);
    this.times.set(name, [...(this.times.get(name) ?? []), performance.now()]);
    if (path === "/hang") return "hang";
    if (path === "/blank") return answer("200 OK", "text/html", BLANK);
    if (this.#is.busy !== null) return answer("503 Service Unavailable", "text/plain", "later", this.#is.busy);
    const fate = { "/ws/notifications": this.#is.websockets, "/notifications/sse": this.#is.streams }[path];
    if (!fate) return "pass";
    if (fate === "block") return answer("403 Forbidden", "text/plain", "not here");
    this.#streams.add(client);
    return fate;
  }
}

function answer(status, type, body, retryAfter) {
  return [
    `HTTP/1.1 ${status}`,
    ...(retryAfter ? [`retry-after: ${retryAfter}`] : []),
    `content-type: ${type}; charset=utf-8`,
    `content-security-policy: ${POLICY}`,
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
    "",
    body,
  ].join("\r\n");
}
