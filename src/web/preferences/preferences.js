// The preferences page. The key in the link's fragment opens it; it goes to the server in a header, never in a URL.

import { languageOf, textsOf } from "./preferences-texts.js";

const KEY = "bellhop-link-key";
const LINK = "/notifications/preferences/link";
const PREFERENCES = "/notifications/preferences";

const language = languageOf(navigator.languages);
const texts = textsOf(language);
const element = (id) => document.getElementById(id);
const form = element("form");

// What the server said last; none until it did.
let opened = null;
let key = null;
// What is tried again.
let failed = load;

// The key stays with this tab, so that the page can be reloaded, and leaves the address, so that it is not shared by
// whoever copies that. Where the browser keeps nothing, as in some mail programs, it lasts as long as the page.
function takeKey() {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  try {
    if (given) sessionStorage.setItem(KEY, given);
    key = given ?? sessionStorage.getItem(KEY);
  } catch {
    key = given ?? key;
  }
  // One that was mangled on its way is none.
  if (key !== null && !/^[\w-]+$/.test(key)) key = null;
  if (given) history.replaceState(null, "", location.pathname);
  return key;
}

function speak() {
  document.documentElement.lang = language;
  document.documentElement.dir = texts.direction;
  document.title = texts.title;
  for (const place of document.querySelectorAll("[data-text]")) {
    place.textContent = texts[place.dataset.text];
  }
}

async function ask(path, { method = "GET", body } = {}) {
  const headers = { "x-link-key": key };
  if (body) headers["content-type"] = "application/json";
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw Object.assign(new Error(said.detail ?? answer.statusText), { code: said.code, field: said.field });
  return said;
}

async function load() {
  element("fault").hidden = true;
  element("loading").hidden = false;
  try {
    opened = await ask(LINK);
    show();
  } catch (error) {
    failed = load;
    explain(error, texts.unreachable);
  } finally {
    element("loading").hidden = true;
  }
}

function show() {
  const { scope, category, address, categories, preferences } = opened;
  element("address").hidden = !address;
  element("address").textContent = address ? texts.goesTo(address) : "";
  element("person").hidden = scope !== "person";
  element("email").value = preferences.email ?? "";
  const boxes = [...element("categories").querySelectorAll("input")];
  if (boxes.map(({ name }) => name).join() !== categories.join()) {
    element("categories").replaceChildren(...categories.map((name) => row(name, isOn(name))));
  }
  // Whoever is in the list stays there.
  for (const box of boxes) box.checked = isOn(box.name);
  const stops = category !== null && (preferences.channels[category]?.email ?? true);
  element("stop").hidden = !stops;
  if (stops) {
    element("stop-text").textContent = texts.cameWith(texts.category(category));
    element("stop-button").textContent = texts.stop(texts.category(category));
  }
  form.hidden = false;
}

function row(name, isOn) {
  const box = Object.assign(document.createElement("input"), { type: "checkbox", name, checked: isOn });
  box.setAttribute("role", "switch");
  const label = document.createElement("label");
  const text = Object.assign(document.createElement("span"), { textContent: texts.category(name) });
  label.append(text, box);
  const item = document.createElement("li");
  item.append(label);
  return item;
}

// Says what is wrong, and offers another try where that can help. `silence` is what it means that there was no answer.
function explain(error, silence) {
  const isLink = ["link_invalid", "link_expired"].includes(error.code);
  element("fault-title").textContent = isLink ? texts[error.code] : texts.failed;
  element("fault-detail").textContent = isLink ? texts.linkHelp : error.code ? error.message : silence;
  element("again").hidden = isLink;
  element("fault").hidden = false;
  form.hidden = isLink || opened === null;
}

const isOn = (name) => opened.preferences.channels[name]?.email ?? true;

// What the reader changed, and nothing else: the rest may have been chosen elsewhere since the page was opened.
function changed(only) {
  const boxes = [...element("categories").querySelectorAll("input")];
  const turned = boxes.filter(({ name, checked }) => checked !== isOn(name) && (!only || name === only));
  return Object.fromEntries(turned.map(({ name, checked }) => [name, { email: checked }]));
}

async function chosen(only) {
  const channels = changed(only);
  // By a mail's link, what is not named stays.
  if (opened.scope === "mail") return { channels };
  const { preferences } = await ask(LINK);
  const email = element("email").value.trim() || null;
  const isEdited = !only && email !== opened.preferences.email;
  return {
    ...preferences,
    email: isEdited ? email : preferences.email,
    channels: { ...preferences.channels, ...channels },
  };
}

// Saves everything, or one category. The button stays where the focus is, and does nothing meanwhile.
async function save(only) {
  const button = form.querySelector("[type=submit]");
  if (button.ariaDisabled === "true") return;
  element("said").textContent = "";
  element("fault").hidden = true;
  refuseAddress("");
  button.ariaDisabled = "true";
  try {
    const preferences = await ask(PREFERENCES, { method: "PUT", body: await chosen(only) });
    // Where mail goes now. It is saved also where this is not answered.
    opened = await ask(LINK).catch(() => ({ ...opened, address: null, preferences }));
    show();
    element("said").textContent = texts.saved;
  } catch (error) {
    if (error.field === "email") refuseAddress(texts.noAddress);
    else {
      failed = () => save(only);
      explain(error, texts.unknown);
    }
  } finally {
    button.ariaDisabled = "false";
  }
}

function refuseAddress(why) {
  const input = element("email");
  input.setAttribute("aria-invalid", String(why !== ""));
  element("email-error").textContent = why;
  if (why) input.focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  save();
});
form.addEventListener("input", () => {
  element("said").textContent = "";
});
element("again").addEventListener("click", async () => {
  await failed();
  if (!form.hidden) form.querySelector("[type=submit]").focus();
});
element("stop-button").addEventListener("click", async () => {
  element("categories").querySelector(`input[name="${CSS.escape(opened.category)}"]`).checked = false;
  await save(opened.category);
  form.querySelector("[type=submit]").focus();
});
addEventListener("hashchange", () => {
  if (takeKey()) load();
});

speak();
if (takeKey()) load();
else {
  element("loading").hidden = true;
  explain({ code: "link_invalid" });
}
