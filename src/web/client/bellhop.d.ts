/* The types of bellhop.js, the browser client: one connection to a bellhop server for all tabs of a user, over whatever
   door is open, which gives every notification once and in order. */

/** A notification, the same over every door. */
export interface Notification {
  id: string;
  /** Its place in the inbox; null where it is passing and kept for nobody. */
  seq: number | null;
  type: string;
  category: string;
  priority: string;
  title: string;
  message: string;
  userId: string;
  actorId: string | null;
  actorName: string | null;
  actorAvatar: string | null;
  data: unknown;
  /** RFC 3339, in UTC. */
  timestamp: string;
  isRead: boolean;
  readAt: string | null;
}

export type Transport = "websocket" | "sse" | "polling";

/**
 * - `idle`: never opened.
 * - `connecting`: on its way, for the first time or because the line was lost just now.
 * - `live`: what happens is heard at once.
 * - `offline`: not connected, and trying again by itself.
 * - `refused`: stays away until `open()` is called again; `reason` says why.
 * - `closed`: by `close()`.
 */
export type State = "idle" | "connecting" | "live" | "offline" | "refused" | "closed";

/** Why a token is asked for: for the first time, because the last one expires soon, or because it was not believed. */
export type TokenReason = "start" | "expiring" | "rejected";

/** How long things take, in milliseconds. */
export interface Timings {
  /** Until a door that was knocked at has opened, or another is tried. 10000. */
  connect: number;
  /** A line that says nothing for this long is looked at: longer than the server's heartbeat. 35000. */
  silence: number;
  /** How long a line that is looked at may take to answer. 5000. */
  answer: number;
  /** How long a request may take. 15000. */
  request: number;
  /** The longest pause before the first retry, which doubles each time, and the longest of all; each pause is random. 500, 30000. */
  retryFirst: number;
  retryLongest: number;
  /** Between two polls, while a person looks and while the page is hidden. 4000, 30000. */
  poll: number;
  pollHidden: number;
  /** After how long on a worse door a better one is tried again, which doubles up to half an hour. 60000. */
  better: number;
}

export interface BellhopOptions {
  /** The URL of the server. By default where this module came from. */
  server?: string | URL;
  /** A token, or what fetches one (empty: nobody is logged in). By default the browser's cookie speaks for the user. */
  token?: string | ((reason: TokenReason) => string | null | undefined | Promise<string | null | undefined>);
  /** Who the cookie speaks for: with a cookie, only tabs that say so share a connection. With a token it is read from that. */
  user?: string;
  /** The newest seq that the page has: what came after it is given. By default what comes from now on. */
  since?: number;
  /** One connection for all tabs of this origin and user, where the browser has Web Locks and BroadcastChannel. true. */
  share?: boolean;
  /** The doors to try, best first. All three. */
  transports?: Transport[];
  timings?: Partial<Timings>;
}

/** Exactly one of them. */
export type Selection = { ids: string[] } | { upTo: number } | { all: true };

export interface Count {
  unread: number;
  total: number;
  seq: number;
  categories: Record<string, { unread: number; total: number }>;
}

export interface ListQuery {
  /** 1 to 100; 20 by default. */
  limit?: number;
  /** A `nextCursor`. */
  cursor?: string;
  unread?: boolean;
  category?: string;
  type?: string;
  /** What came after this seq, oldest first. */
  since?: number;
}

export interface Page {
  /** Newest first. */
  items: Notification[];
  /** Where the next page begins; null on the last. */
  nextCursor: string | null;
}

/** What was marked as read; `unread` is how many are left. */
export interface ReadAnswer {
  /** Those that changed, at most a thousand of them. */
  ids: string[];
  /** Where a whole stretch was marked: everything up to this seq. */
  upTo?: number;
  unread: number;
  seq: number;
}

export interface DeletedAnswer extends ReadAnswer {
  total: number;
}

export interface Preferences {
  email: string | null;
  locale: string | null;
  timeZone: string | null;
  channels: Record<string, { email?: boolean }>;
}

export interface BellhopEvents {
  /** Each once and in the order of `seq`, whatever becomes of the connection; passing ones, without `seq`, as they come. */
  notification: Notification;
  /** Whenever the number of unread notifications changes. */
  unread: { unread: number };
  /** Notifications were marked as read, here or on another device. */
  read: ReadAnswer;
  /** Notifications were deleted, here or on another device. */
  deleted: DeletedAnswer;
  /** Whenever state, reason, transport or leads change. */
  state: { state: State; reason: string | null; transport: Transport | null; leads: boolean };
  /** Nothing is kept between these two seqs any more. */
  gap: { after: number; oldest: number };
  /** The connection met an error, or was refused for good; it looks after itself. Calls throw their own. */
  error: BellhopError;
}

/** Why the server, or the way to it, said no. */
export class BellhopError extends Error {
  /** The HTTP status; 0 where there was no answer. */
  status: number;
  /** Stable, for programs: the server's, or `unreachable`, `token_callback`. */
  code: string;
  /** For people. */
  detail: string;
  field: string | null;
  /** Seconds. */
  retryAfter: number | null;
}

export class Bellhop extends EventTarget {
  constructor(options?: BellhopOptions);

  /** Its URL, without a slash at the end. */
  readonly server: string;
  readonly state: State;
  /** Why it is refused, or was lost last; null while live. */
  readonly reason: string | null;
  readonly transport: Transport | null;
  /** Whether this tab holds the connection. */
  readonly leads: boolean;
  readonly user: string | null;
  /** The seq up to which this page was given everything; null before it is known. */
  readonly seq: number | null;
  /** null before it is known. */
  readonly unread: number | null;

  /** Connects; where it is open already and not live, tries again at once. */
  open(): void;
  close(): void;

  count(): Promise<Count>;
  list(query?: ListQuery): Promise<Page>;
  markRead(selection: Selection): Promise<ReadAnswer>;
  remove(selection: Selection): Promise<DeletedAnswer>;
  preferences(): Promise<Preferences>;
  savePreferences(preferences: Partial<Preferences>): Promise<Preferences>;

  /** The server's answer to a request with the user's token; throws a BellhopError unless it is 2xx or 304. */
  fetch(path: string, init?: RequestInit): Promise<Response>;

  addEventListener<K extends keyof BellhopEvents>(
    type: K,
    listener: ((event: CustomEvent<BellhopEvents[K]>) => void) | { handleEvent(event: CustomEvent<BellhopEvents[K]>): void },
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
}
