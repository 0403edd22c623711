// Letting in: by a token that is pasted, by the platform's cookie, or in development by a demonstration token. A
// token is tried at a route of administrators before anything is shown.

import { Away, Problem, createApi } from "./desk-api.js";
import { setText } from "./desk-dom.js";
import { claimsOf } from "./desk-session.js";
import { local } from "./desk-time.js";
import { refusal } from "./desk-words.js";

const SENDABLE = /^[!-~]+$/;

const form = document.getElementById("sign-in");
const field = document.getElementById("token");
const trouble = document.getElementById("sign-in-trouble");
const demonstration = document.getElementById("demonstration");

/** Tries a token, or with null the cookie; throws what refuses it. */
async function attempt(session, token) {
  // An API of its own: what is only tried must not end what is there.
  const api = createApi({ token: () => token, refused: () => {} });
  await api.get("/admin/presence", { limit: "1" });
  session.begin(token);
}

/** Shows the form, with the reason for it. */
export function showSignIn(session) {
  form.hidden = false;
  explain(session.ended);
  field.value = "";
  field.focus();
  offerDemonstration();
}

export function hideSignIn() {
  form.hidden = true;
  field.value = "";
}

/** Whether the cookie lets in without being asked. */
export async function tryCookie(session) {
  try {
    await attempt(session, null);
    return true;
  } catch (error) {
    // Having no cookie is no trouble; having one that is refused is worth a word.
    if (!(error instanceof Problem && error.code === "token_missing")) session.ended = error;
    return false;
  }
}

export function listen(session) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const token = field.value.trim().replace(/^Bearer\s+/i, "");
    if (!token) return explain(new Problem(401, { code: "token_missing" }, 0));
    // Chat programs add what is not seen and cannot be sent.
    if (!SENDABLE.test(token)) return explain(new Problem(401, { code: "token_malformed" }, 0));
    await enter(session, token);
  });
  demonstration.addEventListener("click", async () => {
    try {
      await enter(session, await mint());
    } catch (error) {
      explain(error);
    }
  });
}

async function enter(session, token) {
  form.setAttribute("aria-busy", "true");
  try {
    await attempt(session, token);
  } catch (error) {
    explain(error, token);
  } finally {
    form.removeAttribute("aria-busy");
  }
}

function explain(error, token = null) {
  trouble.hidden = !error;
  if (!error) return setText(trouble, "");
  setText(trouble, error instanceof Away ? `Not signed in: ${error.message}.` : wordsFor(error, token));
  field.focus();
}

function wordsFor(error, token) {
  if (!error.isOfToken) return `Not signed in: ${error.detail ?? error.message} (${error.code ?? "unknown"}).`;
  const claims = token ? claimsOf(token) : null;
  const words = refusal(error.code, error.detail);
  if (error.code === "forbidden" && claims) {
    const roles = claims.roles.length ? `holds ${claims.roles.join(", ")}` : "holds no role";
    return `${words} It is of ${claims.user}, who ${roles}; ADMIN is needed.`;
  }
  if (error.code === "token_expired" && claims?.expiresAt) {
    return `${words} It ended at ${local(claims.expiresAt)}.`;
  }
  return words;
}

const anonymous = createApi({ token: () => null, refused: () => {} });

async function mint() {
  const { token } = await anonymous.post("/dev/token", { userId: "demo-admin", role: "ADMIN" });
  return token;
}

/** The route is there in development mode only. */
async function offerDemonstration() {
  try {
    await mint();
    demonstration.hidden = false;
  } catch {
    demonstration.hidden = true;
  }
}
