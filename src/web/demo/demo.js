// The demonstration: a guest's form and a host's phone, and between them what the server does with a booking.

import "../bellhop-bell.js";
import { ask, GUEST, HOST, tokenOf } from "./demo-api.js";
import { showMail } from "./demo-mail.js";
import { deviceOf, Phone } from "./demo-phone.js";
import { span, Steps } from "./demo-steps.js";

const DAY = 86_400_000;
const id = (name) => document.getElementById(name);

const form = id("form");
const steps = new Steps(id("steps"), id("nothing"), {
  mailed: () => void showMail().catch(complain),
  phoneIsOn: () => phone.on,
});
const phone = new Phone(
  Object.fromEntries(
    ["bell", "screen", "dark", "power", "second", "device", "cards", "quiet", "clock", "line"].map((name) => [
      name,
      id(name),
    ]),
  ),
  { arrived, back, did, failed: complain },
);
const guest = deviceOf(GUEST);
guest.addEventListener("notification", ({ detail }) => hear(detail));

// What this page has under way: the booking that is being sent, and when the host answered one.
const pending = { sent: 0, story: null, booking: null };
const answered = new Map();

prefill();
showSnippets();
guest.open();
id("book").disabled = false;
form.addEventListener("submit", (event) => {
  event.preventDefault();
  void book();
});

function prefill() {
  const day = (after) => new Date(Date.now() + after * DAY).toISOString().slice(0, 10);
  form.elements.checkIn.value = day(14);
  form.elements.checkOut.value = day(16);
}

function wanted() {
  const { listing, checkIn, checkOut, guests } = form.elements;
  return {
    hostId: HOST.userId,
    listingId: listing.value,
    listingName: listing.selectedOptions[0].textContent,
    checkIn: checkIn.value,
    checkOut: checkOut.value,
    guests: Number(guests.value),
    guestName: GUEST.name,
  };
}

async function book() {
  id("book").disabled = true;
  showPhone();
  try {
    await tokenOf(GUEST); // So that what is measured is the booking alone.
    const story = steps.begin();
    Object.assign(pending, { sent: performance.now(), story, booking: null });
    // A key makes the booking safe to repeat: pressed twice or sent twice, it is one.
    const answer = await ask(GUEST, "/bookings", { method: "POST", body: wanted(), key: crypto.randomUUID?.() });
    story.took = performance.now() - pending.sent;
    pending.booking = answer.booking.id;
    steps.say(
      "good",
      `201 after ${span(story.took)}: the booking is kept`,
      "Booking, notification and record of delivery are in the database, in one transaction.",
    );
    if (story.pushedAfter !== undefined) sayPushed(story);
    id("heard").textContent = `${answer.booking.listingName} is asked for. Demo host has not answered yet.`;
    id("heard").className = "heard waits";
    void steps.follow(story, answer.notification.id).catch(complain);
  } catch (error) {
    complain(error);
  } finally {
    id("book").disabled = false;
  }
}

// On a narrow screen the phone is below the form: it comes into sight when there is something to see on it.
function showPhone() {
  if (id("phone").getBoundingClientRect().top < innerHeight / 2) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  id("phone").scrollIntoView({ block: "center", behavior: still ? "instant" : "smooth" });
}

// On the phone: of this page's own booking, or of one from elsewhere, as from a terminal.
function arrived(item) {
  if (item.type !== "booking.created") return;
  const own = pending.story && (pending.booking === null || pending.booking === item.data.bookingId);
  if (!own) return void elsewhere(item);
  const { story } = pending;
  if (story.pushed) return;
  story.pushed = true;
  // What a phone that was off is given when it is back is told as that.
  if (phone.missed) return;
  story.pushedAfter = performance.now() - pending.sent;
  if (pending.booking !== null) sayPushed(story);
}

function sayPushed(story) {
  steps.say(
    "good",
    `On the phone ${span(story.pushedAfter)} after the press`,
    "Pushed over the connection that it holds open.",
  );
}

function elsewhere(item) {
  if (phone.missed) return;
  const story = steps.begin();
  story.pushed = true;
  Object.assign(pending, { story, booking: item.data.bookingId });
  steps.say(
    "good",
    "A booking from elsewhere is on the phone",
    "Not from this page’s form: whoever has a token may book.",
  );
  void steps.follow(story, item.id).catch(complain);
}

function back(missed, ms) {
  const what =
    missed === 0
      ? "The phone is back, and had missed nothing"
      : `The phone is back: ${missed} missed, all here after ${span(ms)}`;
  steps.nothing.hidden = true;
  steps.say("good", what, "It says how far it got, and is given the rest in order, each once.");
}

function did(what, booking) {
  answered.set(booking, { what, at: performance.now() });
}

// The guest's side has a connection of its own.
function hear(item) {
  const accepted = item.type === "booking.accepted";
  if (!accepted && item.type !== "booking.cancelled") return;
  id("heard").textContent = item.message;
  id("heard").className = `heard ${accepted ? "yes" : "no"}`;
  const press = answered.get(item.data?.bookingId);
  if (!press) return;
  answered.delete(item.data.bookingId);
  const ms = span(performance.now() - press.at);
  steps.say(
    "good",
    `${accepted ? "Accepted" : "Declined"}: the guest’s page heard it after ${ms}`,
    "The other way round it is the same: kept first, then pushed.",
  );
}

function complain(error) {
  steps.nothing.hidden = true;
  steps.say("bad", "That did not work", error.message);
}

async function showSnippets() {
  const here = location.origin;
  id("tag").textContent =
    `<script type="module" src="${here}/bellhop-bell.js"></script>\n<bellhop-bell token-url="/my/token"></bellhop-bell>`;
  const token = await tokenOf(GUEST).catch(complain);
  const { guestName, ...body } = wanted();
  id("curl").textContent = [
    `curl ${here}/bookings \\`,
    `  -H "Authorization: Bearer ${token}" \\`,
    '  -H "Content-Type: application/json" \\',
    `  -d '${JSON.stringify({ ...body, guestName })}'`,
  ].join("\n");
  for (const copy of document.querySelectorAll(".copy")) {
    const label = copy.firstChild;
    copy.addEventListener("click", async () => {
      const code = id(copy.dataset.copies);
      // Without HTTPS there is no clipboard to write to: then it is selected, to be copied by hand.
      if (!navigator.clipboard) return getSelection().selectAllChildren(code);
      await navigator.clipboard.writeText(code.textContent);
      label.data = "Copied";
      setTimeout(() => (label.data = "Copy"), 2000);
    });
  }
}
