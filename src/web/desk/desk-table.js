// Tables whose rows stay where they are while their values change. On a narrow screen each row is a card, which takes
// the table's own semantics away: the roles say them again.

import { el, reconcile, setText } from "./desk-dom.js";

/**
 * @param {{label: string, empty: string, key: (item) => string, open?: (item) => string,
 *   columns: {name: string, of: (item) => unknown, render?: (item) => Node|string|null, wide?: boolean,
 *   main?: boolean}[]}} how `of` says what a cell depends on; it is rendered anew only when that changes. `open` is
 *   where a click on a row leads; `compact` cards have no names beside their values, and begin with the `main` one.
 */
export function table({ label, empty, key, open, compact = false, columns }) {
  const heads = columns.map(({ name }) => el("th", { scope: "col", role: "columnheader", text: name }));
  const body = el("tbody", { role: "rowgroup" });
  const nothing = el("p", { class: "empty", text: empty });
  const grid = el(
    "table",
    { class: compact ? "cards compact" : "cards", role: "table", "aria-label": label },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, heads)),
    body,
  );
  const scroller = el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, grid);
  const element = el("div", { class: "table-box" }, scroller, nothing);
  let shown = 0;
  nothing.hidden = true;

  function create(item) {
    const cells = columns.map(({ name, wide, main }) =>
      el("td", {
        role: "cell",
        "data-name": name,
        class: [wide && "wide", main && "main"].filter(Boolean).join(" ") || null,
      }),
    );
    const row = el("tr", { role: "row", class: open ? "opens" : null }, cells);
    if (open) {
      row.addEventListener("click", (event) => {
        const isOther = event.target.closest("a, button") || String(getSelection()) !== "";
        if (!isOther) location.hash = open(row.item);
      });
    }
    return row;
  }

  function update(row, item) {
    row.item = item;
    columns.forEach(({ of, render }, index) => {
      const cell = row.children[index];
      const sign = JSON.stringify(of(item) ?? null);
      if (cell.sign === sign) return;
      cell.sign = sign;
      if (!render) return setText(cell, of(item) ?? "");
      const content = render(item);
      cell.replaceChildren(...(content === null || content === undefined ? [] : [content]));
    });
  }

  return {
    element,
    scroller,
    update(items) {
      shown = items.length;
      reconcile(body, items, { key, create, update });
      nothing.hidden = shown > 0;
      scroller.hidden = shown === 0;
    },
    /** What an empty table says can depend on what was asked. */
    says(text) {
      setText(nothing, text);
    },
    /** Whether somebody is at it: has focus or a selection in it, or has scrolled down from its beginning. */
    get isInUse() {
      const selected = getSelection();
      const holds = selected && !selected.isCollapsed && body.contains(selected.anchorNode);
      return holds || body.contains(document.activeElement) || scroller.getBoundingClientRect().top < 0;
    },
  };
}
