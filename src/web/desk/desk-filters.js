// The filters of a list: a form that writes itself into the address and is filled from there, so that a view can be
// shared, gone back to and bookmarked.

import { el } from "./desk-dom.js";
import { to } from "./desk-route.js";
import { fromField, toField } from "./desk-time.js";

let forms = 0;

/**
 * @param {string} view
 * @param {{name: string, label: string, type?: string, options?: string[]|[string, string][], maxlength?: number,
 *   list?: string[]}[]} fields
 */
export function filterForm(view, fields) {
  forms += 1;
  const inputs = new Map(fields.map((field) => [field.name, inputOf(field, `filter-${forms}-${field.name}`)]));
  const clear = el("a", { class: "button", href: to(view), text: "Clear" });
  const form = el(
    "form",
    { role: "search", "aria-label": "Filters" },
    fields.map(({ name, label, list }) => {
      const input = inputs.get(name);
      const known = list
        ? el(
            "datalist",
            { id: input.getAttribute("list") },
            list.map((value) => el("option", { value })),
          )
        : null;
      return el("div", { class: "field" }, el("label", { for: input.id, text: label }), input, known);
    }),
    el("div", { class: "row" }, el("button", { type: "submit", class: "primary", text: "Apply" }), clear),
  );

  function read() {
    return Object.fromEntries(
      [...inputs].map(([name, input]) => [
        name,
        input.type === "datetime-local" ? fromField(input.value) : input.value.trim(),
      ]),
    );
  }
  const go = () => {
    location.hash = to(view, { filters: read() });
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go();
  });
  // A choice from a list says what is wanted; a text may not be finished.
  form.addEventListener("change", (event) => event.target.localName === "select" && go());

  // On a small screen they would stand before everything else.
  const element = el(
    "details",
    { class: "filters", open: matchMedia("(min-width: 48rem)").matches },
    el("summary", { text: "Filters" }),
    form,
  );

  return {
    element,
    /** Shows what is in force, except where somebody is writing. */
    fill(filters) {
      for (const [name, input] of inputs) {
        const value = filters[name] ?? "";
        input.value = input.type === "datetime-local" ? toField(value) : value;
      }
      clear.hidden = !Object.keys(filters).length;
      if (!clear.hidden) element.open = true;
    },
    add: (...nodes) => form.lastElementChild.append(...nodes),
  };
}

function inputOf({ name, type = "text", options, maxlength, list }, id) {
  if (options) {
    const choices = options.map((option) => (Array.isArray(option) ? option : [option, option]));
    return el(
      "select",
      { id, name },
      el("option", { value: "", text: "any" }),
      choices.map(([value, text]) => el("option", { value, text })),
    );
  }
  return el("input", {
    id,
    name,
    type,
    maxlength,
    step: type === "datetime-local" ? 1 : null,
    list: list ? `${id}-list` : null,
    autocomplete: "off",
    spellcheck: "false",
    dir: type === "datetime-local" ? null : "auto",
  });
}
