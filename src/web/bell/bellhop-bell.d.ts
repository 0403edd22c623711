/* The types of bellhop-bell.js, the bell for any site:

     <script type="module" src="https://bellhop.example/bellhop-bell.js"></script>
     <bellhop-bell token-url="/my/token" lang="de"></bellhop-bell>

   Attributes
   - `token-url`: where the page's own server answers with a token, as text or as JSON `{"token": "…"}`; it is fetched with the
     page's cookies whenever a fresh one is needed. 401, 403, 204, a redirect and what is no token, such as a page to log in at,
     mean that nobody is logged in. Without it, and without the property `token`, the browser's cookie for the bellhop server speaks.
   - `user`: the id of the user whom the cookie speaks for. With it, all tabs of the user share one connection, which with a token
     they do anyway; a cookie (or a token) of somebody else is refused.
   - `server`: the URL of the bellhop server; by default the one that this module came from.
   - `href-template`: where a notification leads, such as `/bookings/{data.bookingId}`. Each `{…}` is a field of the notification,
     filled in as one encoded piece; where a field is missing there is no link. Without it, `data.url` is taken, if it is http(s).
   - `preferences-url`: the page of preferences; by default the server's own, by a link that is good for this reader.
   - `lang`: a language tag (en, de, fr, es, it, pt, nl, ar, he); by default the page's language, then the browser's.
   - `time-zone`: an IANA name; by default the browser's.
   - `theme`: `light` or `dark`; by default what the browser prefers.
   - `toasts`: `top-start`, `top-end`, `bottom-start`, `bottom-end` (the default) or `off`.

   CSS custom properties
   - colours: `--bellhop-accent`, `--bellhop-on-accent`, `--bellhop-badge`, `--bellhop-on-badge`, `--bellhop-card`, `--bellhop-raised`,
     `--bellhop-tint` (behind what is unread), `--bellhop-line`, `--bellhop-text`, `--bellhop-soft`, `--bellhop-warn`, `--bellhop-warn-tint`
   - shape: `--bellhop-font`, `--bellhop-font-size`, `--bellhop-size` (of the bell), `--bellhop-width` and `--bellhop-height` (of the
     dropdown), `--bellhop-toast-width`, `--bellhop-radius`, `--bellhop-bounded-radius` (of a dropdown with a boundary), `--bellhop-shadow`

   Parts: `bell`, `badge`, `offline-sign`, `panel`, `header`, `heading`, `mark-all`, `sound`, `preferences`, `close`, `offline`, `retry`,
   `filter`, `chip`, `list`, `day`, `item`, `item-unread`, `item-title`, `item-message`, `item-time`, `toasts`, `toast`, `toast-rest`.

   Until the module is there the element has no size; `bellhop-bell:not(:defined) { display: inline-block; inline-size: 2.75rem;
   block-size: 2.75rem }` keeps its place.

   Keyboard: Enter or Space on the bell opens and closes, Escape closes and gives focus back; in the list, the arrow keys,
   Home and End go from one notification to another, Enter opens, Delete deletes, Tab goes on to its buttons. */

import type { Bellhop, BellhopOptions, Notification } from "./bellhop.js";

/** Both bubble, and out of every shadow tree. */
export interface BellhopBellEvents {
  /** One has arrived. `preventDefault()` where the page shows it already: then there is no toast and no sound. */
  "bellhop-notification": CustomEvent<Notification>;
  /** One was opened, in the list or as a toast. `preventDefault()` keeps the link from being followed: the page goes there itself. */
  "bellhop-open": CustomEvent<Notification>;
}

export class BellhopBell extends HTMLElement {
  /** A token, or what fetches one. Another token is another reader: what was shown is forgotten. */
  token: BellhopOptions["token"] | null;
  /** The attribute `user`; with a cookie, only tabs that say whose it is share a connection. */
  user: string | null;
  server: string;
  /** The bell's own client; or one of the page's, which then opens and closes it. */
  get client(): Bellhop | null;
  set client(client: Bellhop | null);
  /** The element whose rectangle the dropdown and the toasts stay in, instead of the window. */
  boundary: Element | null;
  readonly unread: number;
  /** Whether the dropdown is shown. */
  readonly opened: boolean;
  show(): void;
  hide(): void;
}

declare global {
  interface HTMLElementTagNameMap {
    "bellhop-bell": BellhopBell;
  }
  interface HTMLElementEventMap extends BellhopBellEvents {}
}
