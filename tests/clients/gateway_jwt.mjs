// The front end of a gateway that checks a JWT: a relative URL, the token in `auth`, one event.
// The page that runs it was loaded from the server itself, or from one in front of it.

import { io, report, settings } from "./driver.mjs";

if (!globalThis.document) globalThis.location = new URL(settings.server);

const socket = io('/ws/notifications', {
  auth: { token: settings.token },
});

// Frontend shows popup/snackbar/alert
socket.on('notification', (notification) => {
  report('popup', notification);
});
