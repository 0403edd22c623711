// How the desk makes and renews what is seen. Everything that comes from the server goes in as text, never as markup,
// and what has not changed is left alone, so that focus, selection and scroll survive every refresh.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with its attributes and children. `text` sets the text, `on…` with a function listens, `true` is an
 * attribute without a value, and null or false is none.
 * @returns {HTMLElement}
 */
export function el(name, attributes = {}, ...children) {
  return dress(document.createElement(name), attributes, children);
}

/** The same in an SVG. */
export function svg(name, attributes = {}, ...children) {
  return dress(document.createElementNS(SVG, name), attributes, children);
}

function dress(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "text") node.textContent = value;
    else if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Sets a text only where it differs: an equal one would take a selection away. */
export function setText(node, text) {
  const wanted = String(text ?? "");
  if (node.textContent !== wanted) node.textContent = wanted;
}

/** Sets or removes an attribute only where it differs. */
export function setAttribute(node, name, value) {
  if (value === null || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/**
 * Makes the children of `parent` those of `items`, in their order: one that stays is renewed where it stands, and is
 * moved only if it must be, because what is moved loses the focus.
 * @param {Element} parent
 * @param {unknown[]} items
 * @param {{key: (item) => string, create: (item) => Element, update?: (node: Element, item) => void}} how
 */
export function reconcile(parent, items, { key, create, update }) {
  const keys = new Set(items.map(key));
  const known = new Map();
  for (const node of [...parent.children]) {
    if (keys.has(node.dataset.key)) known.set(node.dataset.key, node);
    else node.remove();
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const name = key(item);
    let node = known.get(name);
    if (!node) {
      node = create(item);
      node.dataset.key = name;
    }
    update?.(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
}

/** A button that copies a text, and says so. */
export function copyButton(text, what, announce) {
  const button = el("button", {
    type: "button",
    class: "quiet copy",
    "aria-label": `Copy ${what}`,
    title: `Copy ${what}`,
    text: "Copy",
    onclick: async () => {
      try {
        await navigator.clipboard.writeText(text);
        announce(`Copied ${what}.`);
      } catch {
        // Only pages that came by TLS or from this machine may write to the clipboard.
        announce(`The browser does not let this page copy: select the text instead.`, "warn");
      }
    },
  });
  return button;
}

/** An id in letters of one width, with a button that copies it. */
export function copyable(text, what, announce) {
  return el("span", { class: "copyable" }, el("code", { text, dir: "ltr" }), copyButton(text, what, announce));
}

/** A word in its colour: the state of a delivery, or of a part. */
export function badge(text, tone) {
  return el("span", { class: `badge ${tone ?? "plain"}`, text });
}
