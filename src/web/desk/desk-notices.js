// What the desk tells its operator: results of what was done (in a live region), problems with code, detail and
// request id, and questions before what cannot be undone.

import { copyable, el } from "./desk-dom.js";

/** How long a result stays to be read; a problem stays until it is closed. */
const SHOWN_MS = 8_000;
const SHOWN_MAX = 4;

const place = document.getElementById("notices");

/** Says what came of something: "good", "warn" or "bad". */
export function announce(text, tone = "good") {
  const close = el("button", { type: "button", class: "quiet", "aria-label": "Dismiss", text: "×" });
  const notice = el("div", { class: `notice ${tone}` }, el("p", { text }), close);
  close.addEventListener("click", () => notice.remove());
  place.append(notice);
  while (place.children.length > SHOWN_MAX) place.firstElementChild.remove();
  if (tone !== "bad") setTimeout(() => notice.remove(), SHOWN_MS);
}

/** What went wrong with a request, as the server says it. */
export function problemBox(error, doing) {
  const parts = [
    el("p", {}, el("strong", { text: `${doing}: ` }), el("span", { text: error.detail ?? error.message })),
  ];
  const facts = el("dl", { class: "facts" });
  const fact = (name, node) => facts.append(el("div", {}, el("dt", { text: name }), el("dd", {}, node)));
  if (error.code) fact("Code", el("code", { text: error.code }));
  if (error.field) fact("Field", el("code", { text: error.field }));
  if (error.requestId) fact("Request", copyable(error.requestId, "the request's id", announce));
  if (facts.children.length) parts.push(facts);
  return el("div", { class: "problem", role: "alert" }, ...parts);
}

/** A place for the problem of a view, which goes when things go well again. */
export function problemPlace() {
  const element = el("div", { class: "problems" });
  let said = "";
  return {
    element,
    show(error, doing) {
      // The same once more is no news to whoever listens; the request's id is.
      const sign = `${doing} ${error.code ?? ""} ${error.message}`;
      if (sign !== said) element.replaceChildren(problemBox(error, doing));
      said = sign;
    },
    clear() {
      if (said) element.replaceChildren();
      said = "";
    },
  };
}

/**
 * Asks before something is done, and does it while the dialog still stands, so that a refusal is read there.
 * @param {{title: string, body: Node[], verb: string, act: () => Promise<string>}} question `act` answers what came
 *   of it
 */
export function ask({ title, body, verb, act }) {
  // One question at a time: whoever presses twice means once.
  if (document.querySelector("dialog[open]")) return;
  const cancel = el("button", { type: "button", text: "Cancel", autofocus: true });
  const go = el("button", { type: "submit", class: "danger", text: verb });
  const trouble = el("div");
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "question", text: title }),
    ...body,
    trouble,
    el("div", { class: "row end" }, cancel, go),
  );
  const dialog = el("dialog", { "aria-labelledby": "question" }, form);
  cancel.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (go.getAttribute("aria-disabled")) return;
    // Not `disabled`, which would take the focus away.
    go.setAttribute("aria-disabled", "true");
    try {
      const result = await act(form);
      dialog.close();
      announce(result);
    } catch (error) {
      trouble.replaceChildren(problemBox(error, `${verb} did not work`));
    } finally {
      go.removeAttribute("aria-disabled");
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}
