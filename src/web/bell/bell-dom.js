// Elements, icons and links as the bell makes them. Nothing here parses markup: what a back end sends is text.

const SVG = "http://www.w3.org/2000/svg";

// Drawn on a grid of 24, with strokes of the text's colour.
const ICONS = {
  bell: "M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 2h-15zM10 21h4",
  bookings: "M4 6.5h16V20H4zM4 10.5h16M8.5 4v4M15.5 4v4",
  reviews: "m12 4 2.4 5.2 5.6.6-4.2 3.8 1.2 5.6-5-2.9-5 2.9 1.2-5.6L4 9.8l5.6-.6z",
  jobs: "M4 8h16v11.5H4zM9 8V5h6v3M4 13h16",
  system: "M5 8h8M17 8h2M5 16h2M11 16h8M15 6v4M9 14v4",
  social:
    "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20a6.5 6.5 0 0 1 13 0M16 5a3.5 3.5 0 0 1 0 6.5M18.5 14.5A6.5 6.5 0 0 1 21.5 20",
  check: "m5 12.5 4.5 4.5L19 7.5",
  checks: "m2.5 12.5 4.5 4.5 9-9.5M12 17l.5.5L22 7.5",
  remove: "M5 7h14M10 7V4.5h4V7M7 7l.8 13h8.4L17 7M10.5 11v5M13.5 11v5",
  close: "m6 6 12 12M18 6 6 18",
  soundOn: "M4 9.5v5h3.5l5 4v-13l-5 4zM16 9a4.5 4.5 0 0 1 0 6M18.5 6a8.5 8.5 0 0 1 0 12",
  soundOff: "M4 9.5v5h3.5l5 4v-13l-5 4zM16.5 9.5l5 5M21.5 9.5l-5 5",
  preferences: "M4 7h9M17 7h3M15 5v4M4 12h3M11 12h9M9 10v4M4 17h9M17 17h3M15 15v4",
  offline:
    "M3 3l18 18M8.5 16.5a5 5 0 0 1 6.5-.5M5 13a10 10 0 0 1 5-2.8M2 9.5A15 15 0 0 1 6.5 6.7M10.5 5.6A15 15 0 0 1 22 9.5M15 11a10 10 0 0 1 4 2M12 20h.01",
  alert: "M12 4.5v9.5M12 18.5v.5",
  up: "M12 19V5M6 11l6-6 6 6",
};

/**
 * An element with attributes; `null` and `false` leave one out, `true` sets it empty. Children are elements or text.
 * @param {string} tag
 * @param {Record<string, string | number | boolean | null | undefined>} [attributes]
 * @param {...(Node | string)} children
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/** A button that does not submit the form that the bell may stand in. */
export function button(attributes, press, ...children) {
  const element = make("button", { type: "button", ...attributes }, ...children);
  element.addEventListener("click", press);
  return element;
}

/** An icon that says nothing to a screen reader: whatever bears it has a name. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] ?? ICONS.bell);
  svg.append(path);
  return svg;
}

/** The absolute address, if it is one of the web; `javascript:` and the like are none. */
export function webAddress(text, base = document.baseURI) {
  if (typeof text !== "string" || text === "") return null;
  try {
    const url = new URL(text, base);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

/**
 * Where a notification leads: by the page's template (`/bookings/{data.bookingId}`), else by its `data.url`.
 * What is filled in is one piece of the path or query, whatever it holds; a template that lacks a value leads nowhere.
 */
export function addressOf(notification, template) {
  if (!template) return webAddress(notification.data?.url);
  let whole = true;
  const filled = template.replace(/\{([\w.]+)\}/g, (_, path) => {
    const value = path
      .split(".")
      .reduce((at, key) => (Object.hasOwn(Object(at), key) ? at[key] : undefined), notification);
    const usable = (typeof value === "string" || typeof value === "number") && !["", ".", ".."].includes(String(value));
    whole &&= usable;
    return usable ? encodeURIComponent(String(value)) : "";
  });
  return whole ? webAddress(filled) : null;
}
