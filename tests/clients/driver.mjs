// What every client script shares: the official client in the version that the test names, what it sees
// as lines of JSON on standard output, and the test's commands, a line of JSON each, on standard input.
// Nothing here ends the process: it ends by itself once its sockets are closed, and so shows that they are.

import { createInterface } from "node:readline";

// What the test wants: `version`, `server`, `token`, and what the script reads besides.
export const settings = JSON.parse(process.argv[2]);

const { default: connect } = await import(`socket.io-client-v${settings.version}`);

// Tells the test; `saw` is what it waits for.
export function report(saw, data = null) {
  process.stdout.write(`${JSON.stringify({ saw, data }, plainBytes)}\n`);
}

function plainBytes(_, value) {
  if (value?.type === "Buffer") return { bytes: value.data };
  return value instanceof ArrayBuffer ? { bytes: [...new Uint8Array(value)] } : value;
}

// What the clients log is what the test sees: the text is the line's name.
console.log = (text, ...rest) => report(text, rest.length > 1 ? rest : rest[0]);
console.error = console.log;

process.on("uncaughtException", (error) => {
  report("unhandled", String(error?.stack ?? error));
  process.exitCode = 1;
});

let socket = null;

// What the server waits for: its events that ask for an answer.
const unanswered = [];

// socket.io-client's `io`, with what a test changes about it, and with a report of everything it does.
export function io(url, options = {}) {
  socket = connect(url, { ...options, ...transports(options), ...auth(options), ...settings.options });
  watch(socket);
  return socket;
}

function transports(options) {
  const wanted = settings.transports;
  if (!wanted) return {};
  const written = options.transports ?? ["polling", "websocket"];
  return { transports: wanted === "reversed" ? [...written].reverse() : wanted };
}

function auth(options) {
  return settings.auth ? { auth: { ...options.auth, ...settings.auth } } : {};
}

function watch(socket) {
  const manager = socket.io;
  manager.on("open", () => {
    manager.engine.on("upgrade", (transport) => report("upgrade", transport.name));
  });
  socket.on("connect", () => {
    const transport = manager.engine.transport.name;
    report("connect", { id: socket.id, transport, recovered: Boolean(socket.recovered) });
  });
  socket.on("connect_error", (error) => {
    report("connect_error", { message: error.message, data: error.data ?? null });
  });
  socket.on("disconnect", (reason) => report("disconnect", reason));
  socket.onAny((name, ...args) => {
    const asks = typeof args.at(-1) === "function";
    if (asks) unanswered.push(args.pop());
    report("event", { name, args, asks });
  });
}

const verbs = {
  // Sends an event; with `ack` the answer is reported.
  emit({ event, args = [], ack = false }) {
    socket.emit(event, ...args, ...(ack ? [(...answer) => report("ack", answer)] : []));
  },
  // The same with one argument of bytes.
  emitBytes({ event, bytes, ack }) {
    verbs.emit({ event, args: [Buffer.from(bytes)], ack });
  },
  // Answers the events that ask for it.
  answer() {
    unanswered.splice(0).forEach((reply) => reply());
  },
  // Says how it stands.
  status() {
    const transport = socket.io.engine?.transport?.name ?? null;
    report("status", { connected: socket.connected, active: socket.active, transport });
  },
  disconnect() {
    socket.disconnect();
  },
};

// Adds a script's own commands.
export function obey(more) {
  Object.assign(verbs, more);
}

createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  verbs[command.do](command);
});
