// What the bell knows of its line to the server, and how it says so: honestly, and without a sign that flickers.

// A line that is back at once, as after a server's restart, is not worth a sign that comes and goes.
const AWAY_AFTER_MS = 1500;

// How long it is said that it tries, where it is told of nothing else meanwhile.
const TRIES_MS = 3000;

// Who was refused for one of these is not logged in, or not any more.
const WITHOUT_LOGIN = ["token_missing", "token_expired", "token_revoked"];

export class Line {
  /** Whether there is a sign. */
  away = false;
  #client;
  #told;
  #wasLive = false;
  #liveUntil = null;
  #timer = 0;
  #tryTimer = 0;
  #tries = false;

  /**
   * @param {import("../bellhop.js").Bellhop} client
   * @param {(news: "lost" | "back" | null) => void} told called whenever there may be another sign; with what is news
   */
  constructor(client, told) {
    this.#client = client;
    this.#told = told;
  }

  /** Whether all there is to it is that nobody is logged in. */
  get wantsLogin() {
    return this.#client.state === "refused" && WITHOUT_LOGIN.includes(this.#client.reason);
  }

  /** Somebody wants it tried now, and sees for a while that it is. */
  trying() {
    clearTimeout(this.#tryTimer);
    this.#tries = true;
    this.#tryTimer = setTimeout(() => {
      this.#tries = false;
      this.#told(null);
    }, TRIES_MS);
    this.#told(null);
  }

  /** What the client's state means: a sign at once where it is final, after a moment otherwise. */
  look() {
    const { state } = this.#client;
    clearTimeout(this.#timer);
    if (state === "live") {
      const was = this.away;
      this.away = this.#tries = false;
      this.#wasLive = true;
      this.#liveUntil = null;
      return this.#told(was ? "back" : null);
    }
    if (this.#wasLive) this.#liveUntil = Date.now();
    this.#wasLive = false;
    if (this.away || state === "refused" || state === "closed") this.#lost();
    else this.#timer = setTimeout(() => this.#lost(), AWAY_AFTER_MS);
  }

  /** What there is to say; nothing while there is no sign. */
  say(language) {
    const { state } = this.#client;
    if (!this.away) return "";
    if (this.wantsLogin) return language.say("logIn");
    if (this.#tries && state !== "refused") return language.say("connecting");
    if (state === "refused" || state === "closed") return language.say(state);
    if (this.#liveUntil !== null) return language.say("offline", { time: language.moment(this.#liveUntil) });
    return language.say(state === "connecting" ? "connecting" : "never");
  }

  end() {
    clearTimeout(this.#timer);
    clearTimeout(this.#tryTimer);
  }

  #lost() {
    // Who has never been connected has lost nothing.
    const news = !this.away && this.#liveUntil !== null ? "lost" : null;
    this.away = true;
    this.#told(news);
  }
}
