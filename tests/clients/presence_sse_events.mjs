// The event stream's front end of the presence and SSE document: its class as it is written there. The test's driver
// tells what its `EventSource` does.

import { EventSource as Plain } from "eventsource";
import { createInterface } from "node:readline";

const settings = JSON.parse(process.argv[2]);

function report(saw, data = null) {
  process.stdout.write(`${JSON.stringify({ saw, data })}\n`);
}

process.on("uncaughtException", (error) => {
  report("unhandled", String(error?.stack ?? error));
  process.exitCode = 1;
});

console.log = (text, ...rest) => report(text, rest.length > 1 ? rest : rest[0]);
console.error = (text) => report(text);

// What a browser calls EventSource, at the address of this test's server.
class EventSource extends Plain {
  constructor(url) {
    super(url.replace("http://localhost:3000", settings.server));
  }
}

class SSENotificationService {
  constructor() {
    this.eventSource = null;
    this.isConnected = false;
  }

  connect(token) {
    const url = `http://localhost:3000/notifications/sse?token=${token}`;

    this.eventSource = new EventSource(url);

    this.eventSource.onopen = () => {
      console.log("SSE connection opened");
      this.isConnected = true;
    };

    this.eventSource.onerror = (error) => {
      console.error("SSE connection error:", error);
      this.isConnected = false;
    };

    // Listen for notification events
    this.eventSource.addEventListener(
      "booking.created",
      this.handleBookingCreated
    );
    this.eventSource.addEventListener(
      "review.created",
      this.handleReviewCreated
    );
    this.eventSource.addEventListener("nearby-job", this.handleNearbyJob);
  }

  handleBookingCreated(event) {
    const data = JSON.parse(event.data);
    console.log("New booking:", data);
  }

  handleReviewCreated(event) {
    const data = JSON.parse(event.data);
    console.log("New review:", data);
  }

  handleNearbyJob(event) {
    const data = JSON.parse(event.data);
    console.log("Nearby job:", data);
  }

  disconnect() {
    if (this.eventSource) {
      this.eventSource.close();
    }
  }
}

// Usage
const sseService = new SSENotificationService();
sseService.connect(settings.token + (settings.wishes ?? ""));

const verbs = {
  disconnect: () => sseService.disconnect(),
  status: () => {
    report("status", { connected: sseService.isConnected, readyState: sseService.eventSource.readyState });
  },
};

createInterface({ input: process.stdin }).on("line", (line) => verbs[JSON.parse(line).do]());
