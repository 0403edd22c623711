// Who is signed in. The token is kept in this tab's sessionStorage and nowhere else; what it says of itself is read
// to be shown, and believed by nobody: the server decides at every request.

const KEPT_AS = "bellhop.desk.token";

/** The tab's storage; where the browser forbids it the token lives as long as the page. */
const storage = (() => {
  try {
    return sessionStorage;
  } catch {
    const kept = new Map();
    return {
      getItem: (name) => kept.get(name) ?? null,
      setItem: (name, value) => kept.set(name, value),
      removeItem: (name) => kept.delete(name),
    };
  }
})();

export class Session extends EventTarget {
  #token = storage.getItem(KEPT_AS);
  /** Whether the platform's cookie lets in by itself. */
  #byCookie = false;
  /** The refusal that ended the last one, until the next begins. */
  ended = null;

  token() {
    return this.#token;
  }

  get isOpen() {
    return Boolean(this.#token) || this.#byCookie;
  }

  get isByCookie() {
    return this.#byCookie;
  }

  /** What the token says: who, which roles, until when; null where there is none to read. */
  get claims() {
    return this.#token ? claimsOf(this.#token) : null;
  }

  /** Begins with a token that was tried, or with none where a cookie will do. */
  begin(token) {
    this.#token = token;
    this.#byCookie = token === null;
    this.ended = null;
    if (token) storage.setItem(KEPT_AS, token);
    this.dispatchEvent(new Event("begin"));
  }

  /** The server takes the token no longer. */
  refused(problem) {
    if (!this.isOpen) return;
    this.#close(problem);
  }

  signOut() {
    this.#close(null);
  }

  #close(problem) {
    this.ended = problem;
    this.#token = null;
    this.#byCookie = false;
    storage.removeItem(KEPT_AS);
    this.dispatchEvent(new Event("end"));
  }
}

/** The claims of a token, or null for what is none. */
export function claimsOf(token) {
  try {
    const part = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(part), (letter) => letter.codePointAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    const roles = [claims.role, claims.roles].flat().filter((role) => typeof role === "string");
    return {
      user: String(claims.userId ?? claims.sub ?? claims.id ?? claims.hostId ?? ""),
      roles,
      expiresAt: typeof claims.exp === "number" ? claims.exp * 1_000 : null,
    };
  } catch {
    return null;
  }
}
