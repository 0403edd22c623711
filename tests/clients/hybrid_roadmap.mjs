// The host's front end of the hybrid roadmap: a badge from the static API, and a socket that lives for two
// or three seconds or until the first delivery, after which the static API is asked again.

import { io, obey, report, settings } from "./driver.mjs";

const headers = { Authorization: `Bearer ${settings.token}`, 'Content-Type': 'application/json' };

async function api(method, path, body) {
  const answer = await fetch(`${settings.server}${path}`, { method, headers, body: JSON.stringify(body) });
  return answer.json();
}

// Poll GET /notifications/count on page load or interval
async function updateBadge() {
  try {
    const { unread } = await api('GET', '/notifications/count');
    report('badge', unread);
  } catch {
    // The server is away: the next poll tells.
    report('badge', null);
  }
}

// Create notification dropdown/list
async function openDropdown() {
  const { items } = await api('GET', '/notifications/list?limit=20');
  report('dropdown', items);
}

// Mark notifications as read
async function markAsRead(ids) {
  report('marked', await api('POST', '/notifications/mark-read', { ids }));
  await updateBadge();
}

// Connect to WebSocket server on host login, authenticate via JWT token during handshake
function onHostLogin() {
  const socket = io(settings.server, {
    auth: { token: settings.token },
  });

  // Auto-disconnect socket after 2–3 seconds or on first delivery
  let timer;
  const leave = () => {
    clearTimeout(timer);
    socket.disconnect();
  };

  socket.on('connect', () => {
    // Join socket to host-{hostId} room after auth
    socket.emit('joinRoom', { room: settings.room });
    if (settings.leavesAfter) timer = setTimeout(leave, settings.leavesAfter);
  });

  socket.on('joinedRoom', ({ room }) => report('joined', room));

  // Listen to real-time notification events, trigger UI alert / toast / refresh on event
  socket.on('new_booking', (booking) => {
    report('alert', booking);
    if (settings.leavesAfter) leave();
  });

  // Fallback to static
  socket.on('disconnect', updateBadge);
}

obey({
  badge: updateBadge,
  dropdown: openDropdown,
  markAsRead: ({ ids }) => markAsRead(ids),
});

await updateBadge();
onHostLogin();
