// Asks again and again, politely: only while the page is seen, each thing at its own pace, slower after failures and
// as late as the server says. Knows how old what is shown is, and when the server is away.

import { Away, Problem } from "./desk-api.js";

const BACKOFF_MAX_MS = 30_000;
/** After so many of its periods, and this much, a thing that was not renewed is stale. */
const STALE_PERIODS = 2;
const STALE_SLACK_MS = 3_000;
/** A thing that is asked for less often says itself how old it is. */
const BRISK_MS = 15_000;

export class Live extends EventTarget {
  #tasks = new Set();
  /** Since when the server has not answered, and why. */
  away = null;

  constructor() {
    super();
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.refresh();
    });
  }

  /**
   * Does `work` now and every so often until the signal says stop.
   * @param {{name: string, every: number, work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal,
   *   failed?: (error: Error) => void}} task
   */
  start({ name, every, work, signal, failed }) {
    const task = {
      name,
      every,
      work,
      signal,
      failed,
      last: Date.now(),
      failures: 0,
      running: false,
      again: false,
      timer: 0,
      next: 0,
    };
    this.#tasks.add(task);
    signal.addEventListener("abort", () => {
      clearTimeout(task.timer);
      this.#tasks.delete(task);
    });
    this.#run(task);
    return {
      now: () => this.#run(task),
      pace: (pause) => {
        task.every = pause;
      },
    };
  }

  /** Everything once more, at once. */
  refresh() {
    return Promise.all([...this.#tasks].map((task) => this.#run(task)));
  }

  async #run(task) {
    if (task.signal.aborted) return;
    if (task.running) {
      // What was asked for meanwhile may be something else.
      task.again = true;
      return;
    }
    clearTimeout(task.timer);
    if (document.hidden) return;
    task.running = true;
    const begun = Date.now();
    let pause = 0;
    try {
      await task.work(task.signal);
      pause = task.every;
      task.last = begun;
      task.failures = 0;
      this.#answered();
    } catch (error) {
      if (task.signal.aborted) return;
      task.failures += 1;
      pause = this.#pauseAfter(error, task);
      this.#note(error);
      task.failed?.(error);
    } finally {
      task.running = false;
    }
    if (task.signal.aborted) return;
    if (task.again) {
      task.again = false;
      pause = 0;
    }
    task.next = Date.now() + pause;
    task.timer = setTimeout(() => this.#run(task), pause);
  }

  #pauseAfter(error, task) {
    if (error instanceof Problem && error.status === 401) return BACKOFF_MAX_MS;
    // Somebody else is counting: that takes a moment and is no trouble.
    const base = error instanceof Problem && error.code === "overloaded" ? 1_000 : Math.min(task.every, 5_000);
    const backoff = Math.min(base * 2 ** (task.failures - 1), BACKOFF_MAX_MS);
    const wanted = Math.max(backoff, error.retryAfter ?? 0);
    return wanted * (0.8 + 0.4 * Math.random());
  }

  #note(error) {
    if (!(error instanceof Away)) return this.#answered();
    if (this.away) {
      this.away.reason = error.message;
    } else {
      this.away = { since: Date.now(), reason: error.message };
    }
    this.dispatchEvent(new Event("change"));
  }

  #answered() {
    if (!this.away) return;
    this.away = null;
    this.dispatchEvent(new Event("change"));
    this.refresh();
  }

  /** Since when what is seen is true, whether that is too long ago, and when it is tried again. */
  get freshness() {
    const now = Date.now();
    const brisk = [...this.#tasks].filter((task) => task.every <= BRISK_MS);
    const asOf = Math.min(now, ...brisk.map((task) => task.last));
    const late = brisk.filter((task) => now - task.last > task.every * STALE_PERIODS + STALE_SLACK_MS);
    const nextTry = Math.min(...[...this.#tasks].map((task) => task.next).filter((next) => next > now));
    return { asOf, isStale: Boolean(this.away) || late.length > 0, nextTry: Number.isFinite(nextTry) ? nextTry : null };
  }
}
