/* The browser's client of a bellhop server: one connection for all tabs of a user, by WebSocket, else by event stream, else
   by polling, over which the page is given every notification once and in the order of its seq, however often the line
   breaks. Its API is described in bellhop.d.ts.

   Bellhop is what a page holds, and speaks with the other tabs; Line keeps one tab connected, by one of the doors
   (websocket, sse, polling); Order has notifications in their places; Api and Pass are requests and their token. */

const DOORS = { websocket, sse, polling };
const TIMINGS = {
  connect: 10_000,
  silence: 35_000,
  answer: 5_000,
  request: 15_000,
  retryFirst: 500,
  retryLongest: 30_000,
  poll: 4_000, // below the five seconds after which what no device confirmed is mailed
  pollHidden: 30_000,
  better: 60_000,
};

/** After a line that lasted this long the next is tried for at once. */
const STEADY_MS = 5_000;
/** What is back within this time was hardly away. */
const QUIET_MS = 1_000;
/** Between two acks; and before what is missing is asked for, as it mostly is on its way. */
const ACK_MS = 1_000;
const HOLE_MS = 500;
/** How long before its end a token is renewed, as a part of its life and at most. */
const MARGIN = 0.2;
const MARGIN_MS = 60_000;
const RENEW_AGAIN_MS = 5_000;
/** Timers that are set for longer fire at once. */
const TIMER_MAX_MS = 2 ** 31 - 1;
const BETTER_MAX_MS = 1_800_000;
/** Notifications that may wait for older ones; characters that may wait for their event's end. */
const HELD_MAX = 500;
const EVENT_MAX = 1_000_000;
const PAGE = 100;

/** What the codes of README's table ask for; with any other one comes back. */
const WHEN_LATER = [1013, 4008];
const WITH_ANOTHER_TOKEN = [4002, 4003, 4005];
const NOT_AGAIN = [1002, 1003, 1007, 1008, 1009, 4000, 4001, 4004, 4011, 4012];

/** Why the server, or the way to it, said no. */
export class BellhopError extends Error {
  name = "BellhopError";

  constructor({ status = 0, code, detail = code, field = null, retryAfter = null }, cause) {
    super(detail, { cause });
    Object.assign(this, { status, code, detail, field, retryAfter });
  }

  static async of(response) {
    const { status } = response;
    const problem = await response.json().catch(() => ({}));
    const { code = `http_${status}`, detail, field } = problem ?? {};
    const retryAfter = Number.parseFloat(response.headers.get("retry-after"));
    return new BellhopError({ status, code, detail, field, retryAfter: retryAfter >= 0 ? retryAfter : null });
  }
}

export class Bellhop extends EventTarget {
  #api;
  #pass;
  #order;
  #timings;
  #transports;
  #shares;

  #state = "idle";
  #reason = null;
  #transport = null;
  #leads = false;
  #unread = null;
  /** How far the inbox stood when that was so, and how often it was heard. */
  #unreadAt = 0;
  #heard = 0;
  /** What the page was told last of these. */
  #told = "";

  /** From open() to close(), but while the page is put away; and the page's events for all of that time. */
  #session = null;
  #attention = null;
  /** Whether the page was put away by the browser and is to go on when it is shown again. */
  #isPutAway = false;
  #line = null;
  #channel = null;
  /** When the tab that leads was heard last. */
  #leaderHeard = 0;
  #filling = false;

  constructor({
    server = new URL(".", import.meta.url),
    token,
    user,
    since,
    share = true,
    transports = Object.keys(DOORS),
    timings,
  } = {}) {
    super();
    this.#timings = { ...TIMINGS, ...timings };
    this.#transports = transports.filter((name) => name in DOORS);
    if (!this.#transports.length) throw new TypeError("transports must name a door");
    this.#pass = new Pass(token, user, this.#timings);
    this.#api = new Api(new URL(server, globalThis.location?.href).href, this.#pass, this.#timings);
    this.#order = new Order(since, (notification, after) => this.#tell("notification", notification, after));
    this.#shares = share && Boolean(globalThis.navigator?.locks && globalThis.BroadcastChannel);
    this.#pass.onfresh = () => this.#line?.renewed();
    this.#api.onrefusal = (error) => {
      if (error.code === "other_user" && this.#session) this.#end(this.#session.signal, Ended.of(error));
    };
  }

  get server() {
    return this.#api.server;
  }
  get state() {
    return this.#state;
  }
  get reason() {
    return this.#reason;
  }
  get transport() {
    return this.#transport;
  }
  get leads() {
    return this.#leads;
  }
  get user() {
    return this.#pass.user;
  }
  get seq() {
    return this.#order.seq;
  }
  get unread() {
    return this.#unread;
  }

  open() {
    if (this.#session) {
      if (this.#state !== "live") this.#look(true);
      return;
    }
    this.#session = new AbortController();
    const { signal } = this.#session;
    this.#attention ??= this.#attend();
    this.#become("connecting");
    this.#begin(signal).catch((error) => this.#end(signal, Ended.of(error)));
  }

  close() {
    this.#rest("closed");
  }

  async count() {
    const heard = this.#heard;
    const count = await this.#api.json("/notifications/count");
    this.#count(count, heard);
    return count;
  }

  list(query = {}) {
    const wanted = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
    return this.#api.json(`/notifications/list?${new URLSearchParams(wanted)}`);
  }

  markRead(selection) {
    return this.#change("/notifications/mark-read", "read", selection);
  }

  remove(selection) {
    return this.#change("/notifications/delete", "deleted", selection);
  }

  preferences() {
    return this.#api.json("/notifications/preferences");
  }

  savePreferences(preferences) {
    return this.#api.json("/notifications/preferences", { ...json(preferences), method: "PUT" });
  }

  fetch(path, init) {
    return this.#api.fetch(path, init);
  }

  async #change(path, type, selection) {
    const heard = this.#heard;
    // The press that reads a notification may also leave the page: the request goes on without it.
    const answer = await this.#api.json(path, { ...json(selection), keepalive: true });
    if (this.#transport === "websocket" || this.#transport === "sse") {
      this.#count(answer, heard); // the server tells every tab the rest
    } else {
      this.#happened(type, answer);
      this.#post({ say: "event", type, detail: answer });
    }
    return answer;
  }

  /** Heeds what becomes of the page: seen, put away by the browser (which keeps no page that holds a lock), taken out. */
  #attend() {
    const attention = new AbortController();
    const on = (target, type, listener) => target?.addEventListener?.(type, listener, { signal: attention.signal });
    const page = globalThis.document;
    on(globalThis, "online", () => this.#look(true));
    on(globalThis, "offline", () => this.#look(true));
    on(page, "visibilitychange", () => page.hidden || this.#look());
    on(globalThis, "pagehide", () => this.#putAway());
    on(globalThis, "pageshow", () => this.#takeOut());
    on(page, "freeze", () => this.#putAway());
    on(page, "resume", () => this.#takeOut());
    return attention;
  }

  #putAway() {
    this.#isPutAway ||= Boolean(this.#session);
    this.#leave();
  }

  #takeOut() {
    if (!this.#isPutAway) return;
    this.#isPutAway = false;
    this.open();
  }

  #look(changed = false) {
    if (this.#line) this.#line.look(changed);
    else this.#post({ say: "look", changed });
  }

  async #begin(signal) {
    for (let tries = 0; ; tries++) {
      try {
        await this.#pass.show();
        break;
      } catch (error) {
        if (signal.aborted) return;
        if (error.status) throw error;
        this.#fail(error);
        this.#become("offline", error.code);
        await pause(backoff(tries, this.#timings), signal);
      }
    }
    if (signal.aborted) return;
    if (this.#shares && this.user) await this.#share(`bellhop ${this.#api.server} ${this.user}`, signal);
    else await this.#lead(signal);
  }

  /** One tab leads, which is who holds the lock of this server and user; the browser hands it on when that tab is gone. */
  async #share(name, signal) {
    const channel = new BroadcastChannel(name);
    channel.onmessage = ({ data }) => this.#hear(data, signal);
    this.#channel = channel;
    this.#leaderHeard = performance.now();
    this.#post({ say: "hello" });
    const watch = setInterval(() => this.#watchLeader(name, signal), this.#timings.silence / 2);
    signal.addEventListener("abort", () => {
      clearInterval(watch);
      channel.close();
      if (this.#channel === channel) this.#channel = null;
    });
    while (!signal.aborted) {
      try {
        await navigator.locks.request(name, { signal }, () => this.#lead(signal));
      } catch (error) {
        if (signal.aborted) return;
        // Without leave to use locks, as in some frames, every tab is alone.
        if (error.name !== "AbortError") return this.#lead(signal);
        this.#line?.stop(); // another tab took the lock, because this one gave no answer
      }
    }
  }

  /** A tab that hangs keeps the lock: who hears nothing from it asks, and takes it over. */
  async #watchLeader(name, signal) {
    if (this.#leads || performance.now() - this.#leaderHeard < this.#timings.silence) return;
    const asked = performance.now();
    this.#post({ say: "hello" });
    await pause(this.#timings.answer, signal);
    if (this.#leaderHeard > asked || this.#leads || signal.aborted) return;
    navigator.locks.request(name, { steal: true }, () => this.#lead(signal)).catch(() => this.#line?.stop());
  }

  async #lead(signal) {
    while (this.#line) await this.#line.done;
    if (signal.aborted) return;
    const line = (this.#line = new Line({
      api: this.#api,
      order: this.#order,
      timings: this.#timings,
      transports: this.#transports,
      become: (state, reason, transport) => this.#line === line && this.#become(state, reason, transport),
      happened: (type, detail) => this.#tell(type, detail),
      isLive: () => this.#state === "live",
      count: (standing) => this.#count(standing),
      fail: (error) => this.#fail(error),
      fill: () => this.#fill(),
      heartbeat: () => this.#post(this.#standing()),
    }));
    const stop = () => line.stop();
    signal.addEventListener("abort", stop);
    this.#leads = true;
    this.#become("connecting");
    line.done = line.run();
    let ended;
    try {
      ended = await line.done;
    } finally {
      signal.removeEventListener("abort", stop);
      this.#line = null;
      this.#leads = false;
    }
    if (ended) this.#end(signal, ended);
  }

  /** It is refused. What is not for want of a token is so for every tab. */
  #end(signal, ended) {
    if (signal.aborted) return;
    if (!ended.isOwn) this.#post({ say: "refused", reason: ended.reason });
    this.#rest("refused", ended.reason);
    this.#fail(ended.error ?? new BellhopError({ code: ended.reason }));
  }

  #rest(state, reason) {
    this.#isPutAway = false;
    this.#attention?.abort();
    this.#attention = null;
    this.#leave();
    this.#become(state, reason);
  }

  #leave() {
    this.#session?.abort();
    this.#session = this.#channel = null;
  }

  #hear(message, signal) {
    if (signal.aborted) return;
    if (message.say === "hello") return this.#leads && this.#post(this.#standing());
    if (message.say === "look") return this.#line?.look(message.changed);
    this.#leaderHeard = performance.now();
    if (message.say === "event") this.#overhear(message, signal);
    else if (message.say === "refused") this.#rest("refused", message.reason);
    else if (!this.#leads) {
      this.#order.begin(message.seq);
      this.#order.exists(message.seq);
      if (message.unread !== null) this.#count({ unread: message.unread, seq: message.unreadAt });
      this.#become(message.state, message.reason, message.transport);
      this.#fillSoon(signal);
    }
  }

  #overhear({ type, detail, after }, signal) {
    if (type === "notification") {
      if (detail.seq === null) this.#dispatch(type, detail);
      else this.#order.take(detail, after);
      this.#fillSoon(signal);
    } else {
      if (type === "gap") this.#order.restart(detail.oldest - 1);
      this.#happened(type, detail);
    }
  }

  /** A tab that came late, or missed what another said, asks the server for the rest. */
  async #fillSoon(signal) {
    for (let tries = 0; this.#order.isBehind && !this.#filling && !this.#leads && !signal.aborted; tries++) {
      await this.#fill().catch((error) => {
        if (error.status === 401) return this.#end(signal, Ended.of(error));
        return pause(backoff(tries + 1, this.#timings), signal);
      });
    }
  }

  async #fill() {
    if (this.#filling) return;
    this.#filling = true;
    try {
      const order = this.#order;
      const to = order.known;
      let query = { since: order.seq };
      while (query) {
        const page = await this.list({ ...query, limit: PAGE });
        for (const item of page.items) {
          this.#pass.user ??= item.userId;
          // A cookie may have changed hands.
          if (item.userId !== this.user) throw new BellhopError({ status: 401, code: "other_user" });
          order.take(item, order.seq);
        }
        query = page.nextCursor && { cursor: page.nextCursor };
      }
      order.settle(to);
    } finally {
      this.#filling = false;
    }
  }

  #tell(type, detail, after) {
    if (this.#leads) this.#post({ say: "event", type, detail, after });
    this.#happened(type, detail);
  }

  #happened(type, detail) {
    if (type === "gap") this.#unreadAt = 0;
    this.#dispatch(type, detail);
    if (type === "read" || type === "deleted") this.#count(detail);
  }

  /** An answer says nothing that was overtaken: something was heard since there was `heard`, when it was asked for. */
  #count({ unread, seq }, heard = ++this.#heard) {
    if (seq < this.#unreadAt || (seq === this.#unreadAt && heard !== this.#heard)) return;
    this.#unreadAt = seq;
    if (unread === this.#unread) return;
    this.#unread = unread;
    if (this.#leads) this.#post(this.#standing());
    this.#dispatch("unread", { unread });
  }

  #become(state, reason = null, transport = null) {
    const leads = this.#leads;
    const told = [state, reason, transport, leads].join();
    if (told === this.#told) return;
    this.#told = told;
    this.#state = state;
    this.#reason = reason;
    this.#transport = transport;
    if (leads) this.#post(this.#standing());
    this.#dispatch("state", { state, reason, transport, leads });
  }

  #standing() {
    const { state, reason, transport, seq, unread } = this;
    return { say: "standing", state, reason, transport, seq, unread, unreadAt: this.#unreadAt };
  }

  #post(message) {
    this.#channel?.postMessage(message);
  }

  #fail(error) {
    this.#dispatch("error", error);
  }

  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** One tab's connection: goes from door to door until one opens, and comes back whenever it is lost. */
class Line {
  #host;
  #transports;
  #timings;
  #order;
  /** Which door is tried, how often it failed since it opened last, and which ever opened. */
  #step = 0;
  #failures = 0;
  #opened = new Set();
  #tries = 0;
  #over = false;
  #attempt = null;
  #nap = null;
  #wake = null;
  #timers = {};

  #isLive = false;
  #heardAt = 0;
  #sessionId = null;
  /** Until the server says that it has given everything, what it leaves out does not exist. */
  #isReplaying = false;
  #hasFilled = false;
  #acked = 0;
  #ackedAt = 0;
  #better = 0;

  /** For the doors: what to ask with, the seq to go on from, and, where one can speak, how. */
  api;
  since = null;
  say = null;
  done = null;

  constructor(host) {
    this.#host = host;
    this.#transports = host.transports;
    this.#timings = host.timings;
    this.#order = host.order;
    this.api = host.api;
  }

  get #door() {
    return this.#transports[this.#step];
  }

  /** Answers why it may not come back, or null after stop(). */
  async run() {
    for (;;) {
      const began = performance.now();
      let ended = await this.#try();
      const wasLive = this.#isLive;
      this.#isLive = false;
      const didNotOpen = !wasLive && ended.what === "again";
      if (ended.what === "token") ended = await this.#withAnotherToken(ended);
      if (this.#over) return null;
      if (ended.what === "refused") return ended;
      if (wasLive && performance.now() - began >= STEADY_MS) this.#tries = 0;
      if (ended.what === "anew") continue;
      if (didNotOpen && (await this.#stepDown())) continue;
      if (this.#over) return null;
      if (ended.error?.code === "token_callback") this.#host.fail(ended.error);
      const isBrief = wasLive && ended.what === "again" && ended.reason !== "silence";
      this.#host.become(isBrief ? "connecting" : "offline", ended.reason);
      await this.#pause(ended, wasLive);
      if (this.#over) return null;
    }
  }

  stop() {
    this.#over = true;
    this.#flush();
    this.#attempt?.abort(new Ended("refused", "stopped"));
    this.#nap?.abort();
  }

  look(changed) {
    if (changed) this.#tries = 0;
    if (changed && this.#isLive && this.#step) {
      this.#step = 0; // another network may let more through
      this.#attempt.abort(new Ended("anew"));
    } else if (this.#wake) this.#wake();
    else if (this.#isLive) this.#probe(changed);
  }

  /** There is a fresh token: the server is to know before the last one expires. */
  renewed() {
    if (!this.#isLive) return;
    if (this.say) this.say("refreshToken", { token: this.api.pass.token });
    else if (this.#door === "sse") this.#attempt.abort(new Ended("anew"));
    this.#keepFresh();
  }

  heard() {
    this.#heardAt = performance.now();
  }

  /** A door says what came, and first that something did. */
  take(name, data) {
    if (data === null || typeof data !== "object") return;
    if (data.id && data.type === name) return this.#arrived(data);
    switch (name) {
      case "connected":
        return this.#connected(data);
      case "heartbeat":
        this.#host.heartbeat();
        return this.#stands(data);
      case "notification:unread_count":
        return this.#stands(data);
      case "notificationRead":
        return this.#host.happened("read", data);
      case "notificationDeleted":
        return this.#host.happened("deleted", data);
      case "gap":
        return this.#gap(data);
      case "resumed":
        this.#isReplaying = false;
        this.#order.settle(data.to);
        return this.#mind();
      case "error":
        return this.#refused(data);
    }
  }

  /** Sleeps until the next poll, or until somebody looks. */
  async rest(signal) {
    const { poll, pollHidden } = this.#timings;
    const wait = globalThis.document?.hidden ? pollHidden : poll;
    const stop = () => this.#nap.abort();
    signal.addEventListener("abort", stop);
    await this.#sleep(wait * (0.8 + 0.4 * Math.random()));
    signal.removeEventListener("abort", stop);
  }

  /** Reads what is missing, where no door gives it. */
  async catchUp() {
    if (!this.#order.isBehind) return;
    await this.#host.fill();
    this.#hasFilled = true;
    this.#ack();
  }

  async #try() {
    const attempt = (this.#attempt = new AbortController());
    this.#isReplaying = this.#hasFilled = false;
    this.#sessionId = this.say = null;
    try {
      await this.api.pass.show();
      attempt.signal.throwIfAborted();
      this.since = this.#order.seq;
      this.#after("connect", this.#timings.connect, () => attempt.abort(new Ended("again", "no_answer")));
      this.#after("quiet", QUIET_MS, () => this.#host.isLive() && this.#host.become("connecting"));
      await DOORS[this.#door](this, attempt.signal);
      return new Ended("again", "ended");
    } catch (error) {
      return attempt.signal.aborted ? attempt.signal.reason : Ended.of(error);
    } finally {
      attempt.abort();
      Object.values(this.#timers).forEach(clearTimeout);
      this.#timers = {};
      this.say = null;
    }
  }

  async #withAnotherToken(ended) {
    const { pass } = this.api;
    const rejected = pass.token;
    try {
      const fresh = await pass.show("rejected", rejected);
      return new Ended(fresh === rejected ? "refused" : "again", ended.reason);
    } catch (error) {
      return Ended.of(error);
    }
  }

  /** Where a door does not open although the server answers, something stands before it: the next is tried. */
  async #stepDown() {
    if (this.#step + 1 >= this.#transports.length || !(await this.#answers())) return false;
    this.#failures += 1;
    if (this.#opened.has(this.#door) && this.#failures < 2) return false;
    this.#step += 1;
    this.#failures = 0;
    return true;
  }

  #answers() {
    const { answer } = this.#timings;
    return this.api.fetch("/notifications/count", { signal: AbortSignal.timeout(answer) }).then(
      () => true,
      () => false,
    );
  }

  async #pause({ what, retryAfter }, wasLive) {
    if (wasLive) this.#tries = Math.min(this.#tries, 2);
    if (what === "later") this.#tries = Math.max(this.#tries, 4);
    const wait = backoff(this.#tries++, this.#timings) + (retryAfter ?? 0) * 1000 * (1 + Math.random());
    // Who was told when to come is not woken before.
    await this.#sleep(wait, !retryAfter);
  }

  async #sleep(ms, mayWake = true) {
    const nap = (this.#nap = new AbortController());
    this.#wake = mayWake ? () => nap.abort() : null;
    await pause(ms, nap.signal);
    this.#wake = null;
  }

  #after(name, ms, action) {
    clearTimeout(this.#timers[name]);
    this.#timers[name] = setTimeout(action, ms);
  }

  #connected(greeting) {
    const { userId, sessionId = null, seq, serverTime } = greeting;
    const { pass } = this.api;
    if (userId && pass.user && userId !== pass.user) {
      return this.#attempt.abort(new Ended("refused", "other_user"));
    }
    pass.user ??= userId ?? null;
    if (serverTime) pass.ahead = Date.parse(serverTime) - Date.now();
    this.#sessionId = sessionId;
    this.#isReplaying = this.since !== null && this.#door !== "polling";
    this.#order.begin(seq);
    this.#acked = this.since ?? this.#order.seq;
    this.#isLive = true;
    clearTimeout(this.#timers.connect);
    clearTimeout(this.#timers.quiet);
    this.#failures = 0;
    this.#opened.add(this.#door);
    this.#host.become("live", null, this.#door);
    this.#stands(greeting);
    this.#watch();
    this.#keepFresh();
    if (this.#step) {
      this.#better ||= this.#timings.better;
      this.#after("better", this.#better, () => this.#seekBetter());
    }
  }

  #stands({ seq, unread }) {
    if (seq < this.#order.seq && this.#door === "polling") {
      // Another inbox than the one that is remembered, as after a backup was restored: it begins anew.
      this.#gap({ after: this.#order.seq, oldest: 1 });
    }
    this.#host.count({ seq, unread });
    this.#order.exists(seq);
    this.#mind();
  }

  #gap(gap) {
    this.#order.restart(gap.oldest - 1);
    this.#host.happened("gap", gap);
  }

  #arrived(notification) {
    if (notification.seq === null || notification.seq === undefined) {
      return this.#host.happened("notification", { ...notification, seq: null });
    }
    const { seq } = notification;
    this.#order.take(notification, this.#isReplaying ? this.#order.seq : seq - 1);
    this.#ack();
    this.#mind();
  }

  /** Reads what is missing, if it does not come by itself: whatever the server believes to have given. */
  #mind(wait = HOLE_MS) {
    if (this.#isReplaying || this.#timers.hole || !this.#order.isBehind || this.#door === "polling") return;
    const { signal } = this.#attempt;
    this.#after("hole", wait, async () => {
      const error = await this.catchUp().catch((error) => error);
      if (signal.aborted) return;
      delete this.#timers.hole;
      this.#mind(error && Math.max(error.retryAfter ?? 0, 1) * 1000);
    });
  }

  #refused({ code = "", message }) {
    this.#host.fail(new BellhopError({ code, detail: message }));
    if (code === "other_user") this.#attempt.abort(new Ended("refused", code));
    else if (code.startsWith("token_")) this.#attempt.abort(new Ended("token", code));
  }

  /** A WebSocket proves by itself what came over it. Anything else is said to have come, at most once a second. */
  #ack() {
    if ((this.say && !this.#hasFilled) || this.#timers.ack || this.#acked >= this.#order.seq) return;
    this.#after("ack", Math.max(0, this.#ackedAt + ACK_MS - performance.now()), () => this.#sendAck());
  }

  async #sendAck() {
    const { signal } = this.#attempt;
    const { seq } = this.#order;
    const receipt = this.#receipt(seq);
    this.#ackedAt = performance.now();
    this.#hasFilled = false;
    try {
      await this.api.fetch("/notifications/ack", { ...json(receipt), signal });
      this.#acked = Math.max(this.#acked, seq);
    } catch {
      this.#ackedAt += ACK_MS; // it is said again, and for good when the line comes back with `since`
      this.#hasFilled = true;
    }
    if (signal.aborted) return;
    delete this.#timers.ack;
    this.#ack();
  }

  #receipt(seq) {
    if (this.#sessionId && !this.#hasFilled) return { seq, sessionId: this.#sessionId };
    return { seq, above: this.#order.origin };
  }

  /** The page may be gone before a second is over. */
  #flush() {
    if (!this.#isLive || this.say || this.#acked >= this.#order.seq) return;
    const receipt = { ...json(this.#receipt(this.#order.seq)), keepalive: true };
    this.api.fetch("/notifications/ack", receipt).catch(() => {});
  }

  /** Looks every so often whether anything came; timers may be late in a tab that is not seen. */
  #watch() {
    const left = this.#heardAt + this.#timings.silence - performance.now();
    this.#after("silence", Math.max(left, ACK_MS), () => {
      if (performance.now() - this.#heardAt >= this.#timings.silence) this.#probe();
      this.#watch();
    });
  }

  /** Finds out whether the line is alive: a WebSocket is asked, a stream that said nothing for a while is opened anew. */
  #probe(changed) {
    if (this.#door === "polling") return;
    const asked = performance.now();
    const quiet = asked - this.#heardAt;
    if (this.say) {
      this.say("ping");
      this.#after("answer", this.#timings.answer, () => {
        if (this.#heardAt < asked) this.#attempt.abort(new Ended("again", "silence"));
      });
    } else if (quiet >= this.#timings.silence) {
      this.#attempt.abort(new Ended("again", "silence"));
    } else if (changed || quiet >= this.#timings.silence / 2) {
      this.#attempt.abort(new Ended("anew"));
    }
  }

  #keepFresh() {
    const { due } = this.api.pass;
    if (due === null) return;
    const wait = Math.min(Math.max(due - performance.now(), ACK_MS), TIMER_MAX_MS);
    this.#after("renew", wait, () => (performance.now() < this.api.pass.due ? this.#keepFresh() : this.#renew()));
  }

  async #renew() {
    const { pass } = this.api;
    const { signal } = this.#attempt;
    const before = pass.token;
    try {
      if ((await pass.show("expiring")) !== before) return; // renewed() does the rest
    } catch (error) {
      if (signal.aborted) return;
      if (error.status) return this.#attempt.abort(Ended.of(error));
      this.#host.fail(error);
    }
    if (!signal.aborted) this.#after("renew", RENEW_AGAIN_MS, () => this.#renew());
  }

  /** Tries the doors before this one on the side. */
  async #seekBetter() {
    const { signal } = this.#attempt;
    for (let step = 0; step < this.#step; step++) {
      const opens = await this.#opens(this.#transports[step]);
      if (signal.aborted) return;
      if (opens) {
        this.#step = step;
        this.#better = 0;
        this.#attempt.abort(new Ended("anew"));
        return;
      }
    }
    this.#better = Math.min(2 * this.#better, BETTER_MAX_MS);
    this.#after("better", this.#better, () => this.#seekBetter());
  }

  async #opens(door) {
    const trial = new AbortController();
    const timer = setTimeout(() => trial.abort(), this.#timings.connect);
    this.#attempt.signal.addEventListener("abort", () => trial.abort(), { signal: trial.signal });
    try {
      return await new Promise((resolve, reject) => {
        const take = (name) => name === "connected" && resolve(true);
        DOORS[door]({ api: this.api, since: null, heard() {}, take }, trial.signal).then(() => resolve(false), reject);
      });
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
      trial.abort();
    }
  }
}

/* The doors. Each runs until the line is over and then throws why; whoever aborts `signal` ends it with its reason. */

async function websocket(line, signal) {
  // A socket of a browser sends no header, and a token does not belong in a URL.
  const { ticket } = await line.api.json("/notifications/tickets", { ...json({ door: "websocket" }), signal });
  const query = new URLSearchParams({ ticket, ...(line.since !== null && { since: line.since }) });
  const socket = new WebSocket(`${line.api.server.replace(/^http/, "ws")}/ws/notifications?${query}`);
  try {
    await new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      socket.onclose = ({ code, reason }) => reject(Ended.byCode(code, reason));
      socket.onmessage = ({ data }) => {
        line.heard();
        const frame = parsed(data);
        if (frame) line.take(frame.event, frame.data);
      };
      line.say = (event, data) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ event, data }));
      };
      if (signal.aborted) reject(signal.reason);
    });
  } finally {
    socket.onclose = socket.onmessage = null;
    socket.close();
  }
}

async function sse(line, signal) {
  const query = line.since === null ? "" : `?since=${line.since}`;
  const headers = { accept: "text/event-stream" };
  const response = await line.api.fetch(`/notifications/sse${query}`, { headers, signal, deadline: null });
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) throw new Ended("again", "no_stream");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let retry = null;
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Ended("again", "ended");
    line.heard();
    // WHATWG HTML §9.2.5, as bellhop writes it: lines end in LF, data is one line, an empty line ends an event.
    const events = (rest + value).split("\n\n");
    rest = events.pop();
    if (rest.length > EVENT_MAX) throw new Ended("again", "event_too_large");
    for (const event of events) {
      const fields = Object.fromEntries(event.split("\n").map((text) => text.split(/: ?(.*)/s, 2)));
      if (fields.retry) retry = Number(fields.retry) / 1000;
      const data = parsed(fields.data);
      if (fields.event === "close") throw Ended.byCode(data?.code, data?.reason, retry);
      if (fields.event) line.take(fields.event, data);
    }
  }
}

async function polling(line, signal) {
  let tag = null;
  for (;;) {
    const headers = tag ? { "if-none-match": tag } : {};
    const response = await line.api.fetch("/notifications/count", { headers, signal });
    line.heard();
    if (response.status !== 304) {
      const count = await response.json();
      signal.throwIfAborted();
      line.take(tag === null ? "connected" : "heartbeat", count);
      tag = response.headers.get("etag") ?? "";
    }
    signal.throwIfAborted();
    await line.catchUp();
    signal.throwIfAborted();
    await line.rest(signal);
    signal.throwIfAborted();
  }
}

/** Why a line is over and what is to be done: "again", "later", "anew" (at once and quietly), "token" or "refused". */
class Ended {
  constructor(what, reason = null, { retryAfter = null, error = null } = {}) {
    Object.assign(this, { what, reason, retryAfter, error });
  }

  static byCode(code, reason, retryAfter) {
    const why = reason || (code === 1006 ? "lost" : `closed_${code}`);
    if (NOT_AGAIN.includes(code)) return new Ended("refused", why);
    if (WITH_ANOTHER_TOKEN.includes(code)) return new Ended("token", why);
    return WHEN_LATER.includes(code) ? new Ended("later", why, { retryAfter }) : new Ended("again", why);
  }

  static of(error) {
    if (error instanceof Ended) return error;
    if (!(error instanceof BellhopError)) return new Ended("again", "lost");
    const { status, code, retryAfter } = error;
    const isOfServer = !code.startsWith("http_"); // else of something before it, which may let other doors through
    if (isOfServer && (status === 401 || status === 403)) return new Ended("refused", code, { error });
    const isLater = status >= 500 || status === 429 || code === "token_callback";
    return new Ended(isLater ? "later" : "again", code, { retryAfter, error });
  }

  /** Whether it is this tab's own affair: its token, not what the server decided about the user. */
  get isOwn() {
    return this.error !== null || this.reason === "other_user" || /^token_|^key_/.test(this.reason);
  }
}

/** What the page was given: everything up to `seq`, in order and once. What comes too early waits for what is missing. */
class Order {
  #give;
  #held = new Map();
  /** The newest seq that is known to exist or to have existed. */
  known = 0;
  /** Where it began. */
  origin = 0;
  seq = null;

  constructor(since, give) {
    this.#give = give;
    if (since !== undefined && since !== null) this.restart(since);
  }

  get isBehind() {
    return this.seq !== null && this.known > this.seq;
  }

  /** The first that is heard of the inbox says where it begins, unless the page said. */
  begin(seq) {
    if (this.seq === null && Number.isInteger(seq)) this.restart(seq);
  }

  restart(seq) {
    this.#held.clear();
    this.seq = this.origin = this.known = seq;
  }

  exists(seq) {
    if (seq > this.known) this.known = seq;
  }

  /** A notification came, and there is nothing between `after` and it. */
  take(notification, after) {
    const { seq } = notification;
    this.begin(after ?? seq - 1);
    this.exists(seq);
    if (after <= this.seq) {
      this.#next(notification);
      this.#goOn();
    } else if (this.#held.size < HELD_MAX) {
      this.#held.set(seq, notification); // who is not kept is read with what is missing
    }
  }

  /** Everything up to `to` that exists has come. */
  settle(to) {
    this.exists(to);
    for (const seq of [...this.#held.keys()].sort((a, b) => a - b)) {
      if (seq <= to) this.#next(this.#held.get(seq));
    }
    if (to > this.seq) this.seq = to;
    this.#goOn();
  }

  #goOn() {
    for (let next; (next = this.#held.get(this.seq + 1)); ) this.#next(next);
  }

  #next(notification) {
    const after = this.seq;
    this.#held.delete(notification.seq);
    if (notification.seq <= after) return;
    this.seq = notification.seq;
    this.#give(notification, after);
  }
}

/** Requests that show the token. */
class Api {
  #timings;
  onrefusal = null;

  constructor(server, pass, timings) {
    this.server = server.replace(/[?#].*$/, "").replace(/\/+$/, "");
    this.pass = pass;
    this.#timings = timings;
  }

  async json(path, init) {
    return (await this.fetch(path, init)).json();
  }

  async fetch(path, init) {
    if (!path.startsWith("/")) throw new TypeError("a path begins with a slash"); // the token goes nowhere else
    const token = await this.pass.show();
    let response = await this.#send(path, init, token);
    if (response.status === 401) {
      const fresh = await this.pass.show("rejected", token);
      if (fresh !== token) response = await this.#send(path, init, fresh);
    }
    if (response.ok || response.status === 304) return response;
    const error = await BellhopError.of(response);
    this.onrefusal?.(error);
    throw error;
  }

  async #send(path, { headers, signal, deadline = this.#timings.request, ...init } = {}, token) {
    const signals = [signal, deadline && AbortSignal.timeout(deadline)].filter(Boolean);
    const all = new Headers(headers);
    if (token) all.set("authorization", `Bearer ${token}`);
    // A cookie may change hands: the server refuses what is asked for one user and would be done for another.
    else if (this.pass.user) all.set("bellhop-user", encodeURIComponent(this.pass.user));
    try {
      return await fetch(this.server + path, {
        cache: "no-store",
        // With a token cookies are for whoever stands before the server; without, one of them is the token.
        credentials: token ? "same-origin" : "include",
        ...init,
        headers: all,
        signal: AbortSignal.any(signals),
      });
    } catch (cause) {
      if (signal?.aborted) throw signal.reason;
      throw new BellhopError({ code: "unreachable" }, cause);
    }
  }
}

/** The token: where it comes from, whose it is, and when it is to be renewed. */
class Pass {
  #source;
  #timings;
  #asking = null;
  #askedAt = 0;
  #claims = {};
  /** When the token was given, by the wall and by the clock that nobody sets. */
  #givenAt = 0;
  #since = 0;
  token = null;
  user = null;
  /** How far the server's clock is ahead of this one. */
  ahead = 0;
  onfresh = null;

  constructor(source, user, timings) {
    this.#source = source;
    this.#timings = timings;
    this.user = user ?? null;
    if (typeof source === "string") this.#keep(source);
  }

  /** When to ask for the next; null where there is none to be had, or no need. */
  get due() {
    const life = this.#life;
    if (typeof this.#source !== "function" || life === Infinity) return null;
    return this.#since + life - Math.min(MARGIN_MS, MARGIN * life);
  }

  /** How long the token is good since it was given. A clock by which it was over from the beginning is wrong. */
  get #life() {
    const { exp, iat } = this.#claims;
    const left = exp * 1000 - this.ahead - this.#givenAt;
    return Math.min(left > 0 ? left : Infinity, exp > iat ? (exp - iat) * 1000 : Infinity);
  }

  /** The token, which is fetched if it must be; null where a cookie speaks. `rejected` is one that is no good. */
  async show(reason = "start", rejected = null) {
    if (typeof this.#source !== "function") return this.token;
    const now = performance.now();
    const isGood = now < this.#since + this.#life || now < this.#askedAt + RENEW_AGAIN_MS;
    if (reason === "start" && this.token && isGood) return this.token;
    if (reason === "rejected" && this.token !== rejected) return this.token;
    this.#asking ??= this.#ask(this.token && reason === "start" ? "expiring" : reason).finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  async #ask(reason) {
    const late = new AbortController();
    let token;
    try {
      const never = pause(this.#timings.request, late.signal).then(() => Promise.reject("it took too long"));
      token = await Promise.race([never, (async () => this.#source(reason))()]);
    } catch (cause) {
      throw new BellhopError({ code: "token_callback", detail: String(cause) }, cause);
    } finally {
      late.abort();
      this.#askedAt = performance.now();
    }
    if (!token) throw new BellhopError({ status: 401, code: "token_missing" });
    if (token !== this.token) {
      this.#keep(token);
      this.onfresh?.();
    }
    return token;
  }

  #keep(token) {
    const claims = claimsOf(token);
    const user = claims.userId ?? claims.sub ?? claims.id ?? claims.hostId ?? null;
    if (user !== null && this.user !== null && String(user) !== this.user) {
      throw new BellhopError({ status: 401, code: "other_user" });
    }
    this.user ??= user === null ? null : String(user);
    this.token = token;
    this.#claims = claims;
    this.#givenAt = Date.now();
    this.#since = performance.now();
  }
}

/** What a JWT says of itself, unverified: that is the server's part. */
function claimsOf(token) {
  try {
    const text = atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(text, (character) => character.charCodeAt(0)))) ?? {};
  } catch {
    return {};
  }
}

function json(body) {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Exponential with full jitter: who were cut off at once do not come back at once. */
function backoff(tries, { retryFirst, retryLongest }) {
  return Math.random() * Math.min(retryLongest, retryFirst * 2 ** tries);
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
