// The front end of the presence and SSE document: its class as it is written there, and beside it the
// document's other two ways of handing the token over, in a header and in the URL's query.

import { io, obey, report, settings } from "./driver.mjs";

const server = settings.server.replace('http://', 'ws://');

class NotificationService {
  constructor() {
    this.socket = null;
    this.isConnected = false;
  }

  connect(token) {
    this.socket = io(`${server}/ws/notifications`, {
      auth: { token },
      transports: ["websocket", "polling"],
    });

    this.socket.on("connect", () => {
      console.log("Connected to notification service");
      this.isConnected = true;
    });

    this.socket.on("disconnect", () => {
      console.log("Disconnected from notification service");
      this.isConnected = false;
    });

    // Listen for notification events
    this.socket.on("booking.created", this.handleBookingCreated);
    this.socket.on("review.created", this.handleReviewCreated);
    this.socket.on("nearby-job", this.handleNearbyJob);
  }

  handleBookingCreated(data) {
    console.log("New booking:", data);
    // Show notification to user
  }

  handleReviewCreated(data) {
    console.log("New review:", data);
    // Show notification to user
  }

  handleNearbyJob(data) {
    console.log("Nearby job:", data);
    // Show notification to user
  }

  // Send ping to keep connection alive
  ping() {
    if (this.socket) {
      this.socket.emit("ping");
    }
  }

  // Join specific room
  joinRoom(room) {
    if (this.socket) {
      this.socket.emit("joinRoom", { room });
    }
  }

  disconnect() {
    if (this.socket) {
      this.socket.disconnect();
    }
  }
}

// Authorization Header (Recommended)
function connectWithHeader() {
  return io(`${server}/ws/notifications`, {
    extraHeaders: {
      Authorization: `Bearer ${settings.token}`,
    },
  });
}

// Query Parameter
function connectWithQuery() {
  return io(
    `${server}/ws/notifications?token=${settings.token}`
  );
}

// Auth Object
function connectWithAuth() {
  return io(`${server}/ws/notifications`, {
    auth: {
      token: settings.token,
    },
  });
}

const ways = { header: connectWithHeader, query: connectWithQuery, auth: connectWithAuth };

if (settings.way) {
  ways[settings.way]();
} else {
  // Usage
  const notificationService = new NotificationService();
  notificationService.connect(settings.token);

  // Keep connection alive
  const alive = setInterval(() => {
    notificationService.ping();
  }, settings.pingEvery ?? 30000);

  obey({
    joinRoom: ({ room }) => notificationService.joinRoom(room),
    disconnect: () => {
      clearInterval(alive);
      notificationService.disconnect();
    },
    isConnected: () => report("isConnected", notificationService.isConnected),
  });
}
