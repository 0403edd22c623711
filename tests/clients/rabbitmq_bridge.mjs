// A front end behind the RabbitMQ bridge: the token in `auth` or in the Authorization header, the bell's
// badge from `notification:unread_count`, an alert for each `notification:new`. Asked to, it remembers what
// it has seen and says so when it comes back.

import { io, report, settings } from "./driver.mjs";

let lastSeq = 0;

const identity = settings.inHeader
  ? { extraHeaders: { authorization: `Bearer ${settings.token}` } }
  : { auth: { token: settings.token } };

const resuming = {
  auth: (callback) => callback({ token: settings.token, since: lastSeq }),
};

const socket = io(settings.server, settings.resumes ? resuming : identity);

socket.on('connect', () => {
  socket.emit('joinRoom', { room: 'user:' + settings.user });
});

// Finally, the client UI updates the notification bell badge count and pops an alert.
socket.on('notification:new', (payload) => {
  lastSeq = payload.seq;
  report('alert', payload);
});

socket.on('notification:unread_count', ({ unread }) => {
  report('badge', unread);
});
