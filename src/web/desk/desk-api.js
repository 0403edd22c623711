// Asks the server. A refusal becomes a `Problem` with the server's own code, detail and request id; no answer at all
// becomes `Away`. The token goes into the header and nowhere else.

import { hear } from "./desk-time.js";

/** No request takes longer; the figures of a month take ten seconds. */
const PATIENCE_MS = 15_000;

/** The server refused (RFC 9457). */
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(body.detail ?? body.title ?? `the server answered ${status}`);
    this.status = status;
    this.code = body.code ?? `http_${status}`;
    this.detail = this.message;
    this.field = body.field ?? null;
    this.requestId = body.requestId ?? null;
    this.retryAfter = retryAfter;
  }

  /** Whether the token is what is wrong. */
  get isOfToken() {
    return this.status === 401 || (this.status === 403 && this.code === "forbidden");
  }
}

/** The server did not answer, or something between it and us did. */
export class Away extends Error {}

/**
 * @param {{token: () => (string|null), refused: (problem: Problem) => void}} session
 */
export function createApi(session) {
  // The server counts for one at a time, and so does the desk.
  let counting = Promise.resolve();

  async function request(method, path, { query, body, headers = {}, signal, token = session.token() } = {}) {
    const asked = new URLSearchParams(Object.entries(query ?? {}).filter(([, value]) => value));
    const url = asked.size ? `${path}?${asked}` : path;
    const sent = { Accept: "application/json", ...headers };
    if (token) sent.Authorization = `Bearer ${token}`;
    if (body !== undefined) sent["Content-Type"] = "application/json";
    const given = await answer(url, {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      signal,
    });
    if (given.problem?.isOfToken && token === session.token()) session.refused(given.problem);
    if (given.problem) throw given.problem;
    return given.value;
  }

  const get = (path, query, options = {}) => request("GET", path, { ...options, query });
  return {
    get,
    post: (path, body, options = {}) => request("POST", path, { ...options, body }),
    /** The figures of a stretch of time, after those that were asked for before. */
    stats(query, options) {
      const mine = counting.then(() => get("/admin/notifications/stats", query, options));
      counting = mine.catch(() => {});
      return mine;
    },
  };
}

async function answer(url, { signal, ...options }) {
  const control = new AbortController();
  const end = () => control.abort();
  const timer = setTimeout(end, PATIENCE_MS);
  signal?.addEventListener("abort", end);
  if (signal?.aborted) end();
  try {
    const response = await fetch(url, { ...options, signal: control.signal });
    hear(response.headers.get("Date"));
    const kind = response.headers.get("Content-Type") ?? "";
    const value = kind.includes("json") ? await response.json() : null;
    if (response.ok) return { value };
    if (value === null && response.status >= 500) {
      throw new Away(`a proxy answered ${response.status} in the server's place`);
    }
    const retryAfter = Number(response.headers.get("Retry-After")) * 1_000 || 0;
    return { problem: new Problem(response.status, value ?? {}, retryAfter) };
  } catch (error) {
    if (error instanceof Away) throw error;
    // A view that was left wants no answer any more: that says nothing of the server.
    if (signal?.aborted) throw new DOMException("no longer wanted", "AbortError");
    throw new Away(control.signal.aborted ? "the server took too long to answer" : "the server cannot be reached");
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}
