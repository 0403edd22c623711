// A page with two modules that know nothing of each other: one speaks to the root namespace, one to
// `/ws/notifications`. Both clients put them on one connection.

import { io, obey, report, settings } from "./driver.mjs";

const auth = { token: settings.token };
const bell = io(settings.server, { auth });
const service = io(`${settings.server}/ws/notifications`, { auth });

bell.on('notification:new', (payload) => report('bell', payload));
service.on('booking.created', (payload) => report('service', payload));

obey({
  shared: () => report('shared', bell.io === service.io),
  closeBell: () => bell.disconnect(),
});
