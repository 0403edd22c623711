// How the bell looks. A constructed stylesheet, which a strict content security policy allows; light and dark by
// `light-dark()`, every direction by logical properties. What a site may set is named in bellhop-bell.d.ts.

const sheet = new CSSStyleSheet();
sheet.replaceSync(`
:host {
  color-scheme: light dark;
  display: inline-block;
  font-size: var(--bellhop-font-size, 1rem);
  vertical-align: middle;
  --card: var(--bellhop-card, light-dark(#ffffff, #172033));
  --raised: var(--bellhop-raised, light-dark(#f1f5f9, #1e293b));
  --line: var(--bellhop-line, light-dark(#cbd5e1, #334155));
  --text: var(--bellhop-text, light-dark(#0f172a, #f1f5f9));
  --soft: var(--bellhop-soft, light-dark(#475569, #a9b6c8));
  --accent: var(--bellhop-accent, light-dark(#1d4ed8, #93c5fd));
  --on-accent: var(--bellhop-on-accent, light-dark(#ffffff, #0b1220));
  --tint: var(--bellhop-tint, light-dark(#eff5ff, #1b2a45));
  --badge: var(--bellhop-badge, #c81e1e);
  --on-badge: var(--bellhop-on-badge, #ffffff);
  --warn: var(--bellhop-warn, light-dark(#92400e, #fcd34d));
  --warn-tint: var(--bellhop-warn-tint, light-dark(#fef3c7, #40300d));
  --round: var(--bellhop-radius, 0.75em);
  --shade: var(--bellhop-shadow, 0 1px 2px rgb(15 23 42 / 12%), 0 12px 32px rgb(15 23 42 / 22%));
}
:host([hidden]) { display: none; }
@media print { :host { display: none; } }
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }

*, *::before, *::after { box-sizing: border-box; }
[hidden] { display: none !important; }
button, a {
  color: inherit; font: inherit; letter-spacing: inherit; text-align: inherit; text-decoration: none;
  background: none; border: 0; margin: 0; padding: 0; cursor: pointer;
}
:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
p, h2, h3, ul { margin: 0; padding: 0; font: inherit; }
.icon {
  inline-size: 1.25em; block-size: 1.25em; flex: none; display: block;
  fill: none; stroke: currentColor; stroke-width: 1.7; stroke-linecap: round; stroke-linejoin: round;
}
.hidden {
  position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}

.bell {
  position: relative; display: grid; place-items: center; border-radius: 50%;
  inline-size: var(--bellhop-size, 2.75em); block-size: var(--bellhop-size, 2.75em);
}
.bell:hover { background: color-mix(in srgb, currentColor 10%, transparent); }
.bell:focus-visible { outline-color: currentColor; }
.bell .icon { inline-size: 1.5em; block-size: 1.5em; }
.badge {
  position: absolute; inset-block-start: 0.1em; inset-inline-start: 50%; min-inline-size: 1.6em; padding-inline: 0.4em;
  border-radius: 1em; background: var(--badge); color: var(--on-badge);
  font: 700 0.6875em/1.6 var(--bellhop-font, system-ui, sans-serif); text-align: center; white-space: nowrap; letter-spacing: normal;
}
.cut-off {
  position: absolute; inset-block-end: 0.2em; inset-inline-end: 0.2em; padding: 0.15em; border-radius: 50%;
  background: var(--warn-tint); color: var(--warn); border: 1px solid currentColor;
}
.bell .cut-off .icon { inline-size: 0.75em; block-size: 0.75em; stroke-width: 4; }
.away .badge { opacity: 0.75; }

.panel, .toasts {
  position: fixed; margin: 0; padding: 0; border: 0; color: var(--text); inset: auto;
  font: 400 0.9375em/1.45 var(--bellhop-font, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif);
  letter-spacing: normal; word-spacing: normal; text-align: start; text-transform: none; text-indent: 0; text-shadow: none;
  white-space: normal; cursor: auto; overflow-wrap: anywhere;
}
.panel {
  inline-size: var(--bellhop-width, 26em); block-size: var(--bellhop-height, 36em); overflow: hidden;
  background: var(--card); border: 1px solid var(--line); border-radius: var(--round); box-shadow: var(--shade);
}
.panel:popover-open { display: flex; flex-direction: column; }
.panel:focus { outline: none; }
.panel.sheet { border-end-start-radius: 0; border-end-end-radius: 0; border-block-end: 0; padding-block-end: env(safe-area-inset-bottom); }
.panel.bounded { border-radius: var(--bellhop-bounded-radius, var(--round)); }
.panel.sheet:not(.bounded)::backdrop { background: rgb(11 18 32 / 35%); }
.header { display: flex; align-items: center; gap: 0.125em; padding-block: 0.5em; padding-inline: 1em 0.5em; border-block-end: 1px solid var(--line); }
h2 { flex: 1; font-weight: 650; font-size: 1.0625em; }
.small { display: grid; place-items: center; inline-size: 2.25em; block-size: 2.25em; border-radius: 0.5em; color: var(--soft); flex: none; }
.small:hover { background: var(--raised); color: var(--text); }
.small[aria-disabled="true"] { opacity: 0.4; cursor: default; background: none; }
.small[aria-pressed="true"] { color: var(--accent); }
.banner {
  display: flex; align-items: center; gap: 0.75em; padding: 0.625em 1em; background: var(--warn-tint); color: var(--warn); font-size: 0.9em;
}
.banner p { flex: 1; }
.banner.calm { background: var(--raised); color: var(--text); }
.calm .icon { display: none; }
.plain { padding: 0.4em 0.75em; border: 1px solid currentColor; border-radius: 0.5em; font-weight: 600; white-space: nowrap; }
.chips { display: flex; flex-wrap: wrap; gap: 0.4em; padding: 0.625em 1em; border-block-end: 1px solid var(--line); }
.sheet .chips { flex-wrap: nowrap; overflow-x: auto; scrollbar-width: none; padding-block: 0.5em; flex: none; }
.sheet .chip { flex: none; }
.chip { display: inline-flex; gap: 0.4em; padding: 0.25em 0.75em; border: 1px solid var(--line); border-radius: 2em; font-size: 0.9em; min-block-size: 2em; align-items: center; }
.chip:hover { background: var(--raised); }
.chip[aria-pressed="true"] { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.chip:focus-visible { outline-offset: 2px; }
.number { font-variant-numeric: tabular-nums; font-weight: 650; }

.scroll { flex: 1; min-block-size: 0; overflow-y: auto; overscroll-behavior: contain; overflow-anchor: none; scrollbar-width: thin; position: relative; }
.day {
  position: sticky; inset-block-start: 0; z-index: 1; padding: 0.6em 1.23em 0.4em; background: var(--card);
  color: var(--soft); font-size: 0.8125em; font-weight: 650;
}
ul { list-style: none; }
.item { position: relative; display: flex; align-items: flex-start; scroll-margin-block-start: 2em; }
.item + .item { border-block-start: 1px solid color-mix(in srgb, var(--line) 55%, transparent); }
.item:hover, .item:focus-within { background: var(--raised); }
.item.unread { background: var(--tint); }
.item.unread:hover, .item.unread:focus-within { background: color-mix(in srgb, var(--tint), var(--accent) 8%); }
.item.unread::before {
  content: ""; position: absolute; inset-inline-start: 0; inset-block: 0; inline-size: 0.1875em; background: var(--accent);
}
.main { flex: 1; min-inline-size: 0; display: flex; gap: 0.75em; padding: 0.75em 1em; align-items: flex-start; }
.toast .main { padding-inline-end: 0; }
.sign {
  display: grid; place-items: center; inline-size: 2.25em; block-size: 2.25em; border-radius: 50%; flex: none;
  background: color-mix(in srgb, var(--accent) 14%, transparent); color: var(--accent);
}
.critical .sign { background: var(--warn-tint); color: var(--warn); }
.words { flex: 1; min-inline-size: 0; display: grid; }
/* Text of the other direction reads its own way and still stands at the list's edge. */
.words:dir(ltr) { text-align: left; }
.words:dir(rtl) { text-align: right; }
.title { font-weight: 500; }
.unread .title, .toast .title { font-weight: 650; }
.message { color: var(--soft); display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; }
.whole .message { display: block; }
.time { color: var(--soft); font-size: 0.8125em; margin-block-start: 0.15em; }
.actions {
  position: absolute; inset-block-start: 0.4em; inset-inline-end: 0.5em; display: flex; opacity: 0;
  background: var(--card); border: 1px solid var(--line); border-radius: 0.6em; box-shadow: 0 1px 3px rgb(15 23 42 / 12%);
}
.actions .small { inline-size: 1.9em; block-size: 1.9em; }
.item:hover .actions, .item:focus-within .actions { opacity: 1; }
.end { display: grid; justify-items: center; gap: 0.5em; padding: 1em; color: var(--soft); text-align: center; min-block-size: 1px; }
.end:empty { padding: 0.25em; }
.end > .icon { inline-size: 2.5em; block-size: 2.5em; margin-block-start: 3em; opacity: 0.55; }
.wide { display: flex; gap: 0.5em; align-items: center; justify-content: center; padding: 0.5em 1em; border: 1px solid var(--line); border-radius: 0.5em; color: var(--text); }
.wide:hover { background: var(--raised); }
.scroll > .wide { margin: 0.5em auto; }

.toasts { inline-size: var(--bellhop-toast-width, 24em); background: none; overflow: visible; pointer-events: none; }
.toasts:popover-open { display: grid; gap: 0.5em; }
.toast {
  pointer-events: auto; display: flex; align-items: flex-start; gap: 0.25em; padding-inline-end: 0.5em;
  background: var(--card); color: var(--text); border: 1px solid var(--line); border-radius: var(--round); box-shadow: var(--shade);
  animation: come 240ms cubic-bezier(0.2, 0.8, 0.3, 1);
}
.toast .main { border-radius: var(--round); }
.toast .small { margin-block-start: 0.4em; }
.toast.critical { border-inline-start: 0.25em solid var(--warn); }
.toast.rest { justify-self: center; padding: 0.35em 1em; font-size: 0.9em; border-radius: 2em; }
.ring .icon:first-child { animation: ring 700ms ease-in-out; transform-origin: 50% 15%; }

@keyframes come { from { opacity: 0; transform: translateY(0.5em) scale(0.97); } }
@keyframes ring {
  20% { transform: rotate(14deg); } 40% { transform: rotate(-12deg); } 60% { transform: rotate(8deg); } 80% { transform: rotate(-5deg); }
}
@media (prefers-reduced-motion: reduce) { *, *::before { animation: none !important; } }
@media (pointer: coarse) {
  .actions { position: static; opacity: 1; background: none; border: 0; box-shadow: none; padding-block-start: 0.25em; }
  .item .main { padding-inline-end: 0; }
  .small { inline-size: 2.75em; block-size: 2.75em; min-inline-size: 44px; min-block-size: 44px; }
  .bell { min-inline-size: 44px; min-block-size: 44px; }
  .chip, .plain, .wide { min-block-size: 44px; }
}
@media (forced-colors: active) {
  .item.unread::before { background: Highlight; }
  .badge, .chip[aria-pressed="true"] { forced-color-adjust: none; }
}
`);

export default sheet;
