// A back end of NestJS, with its own client and server of RabbitMQ as they come: emits what the test says, and hears
// what happened to it.

import "reflect-metadata";
import { createInterface } from "node:readline";
import microservices from "@nestjs/microservices";

const { ClientProxyFactory, ServerRMQ, Transport } = microservices;
const settings = JSON.parse(process.argv[2]);

function report(saw, data = null) {
  process.stdout.write(`${JSON.stringify({ saw, data })}\n`);
}

process.on("uncaughtException", (error) => {
  report("unhandled", String(error?.stack ?? error));
  process.exitCode = 1;
});

const client = ClientProxyFactory.create({
  transport: Transport.RMQ,
  options: { urls: [settings.amqp], queue: settings.queue, queueOptions: { durable: true } },
});
await client.connect();

const server = new ServerRMQ({ urls: [settings.amqp], queue: settings.events, queueOptions: { durable: true } });
for (const pattern of ["notification.delivered", "notification.read"]) {
  server.addHandler(pattern, async (data) => report(pattern, data), true);
}
server.listen((error) => report("listening", error ? String(error) : null));

const verbs = {
  emit({ pattern, payload }) {
    client.emit(pattern, payload).subscribe({
      complete: () => report("emitted", pattern),
      error: (error) => report("not emitted", String(error)),
    });
  },
  async close() {
    await client.close();
    await server.close();
  },
};

const commands = createInterface({ input: process.stdin });
commands.on("line", (line) => {
  const command = JSON.parse(line);
  if (command.do === "close") commands.close();
  verbs[command.do](command);
});
