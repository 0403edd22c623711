// Which language the bell speaks, and how it fills in a text: numbers, plurals, dates and relative times by `Intl`.

import { westernTexts } from "./bell-texts.js";
import { semiticTexts } from "./bell-texts-rtl.js";

const texts = { ...westernTexts, ...semiticTexts };
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** The languages that have texts of their own. */
export const languages = Object.keys(texts);

/** An own time zone, or none where the browser does not know it: a typing error must not take the bell away. */
function knownZone(timeZone) {
  try {
    return new Intl.DateTimeFormat("en", { timeZone }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

/** The tag as browsers want it; of one that is misspelt, the language alone. */
function wellFormed(tag) {
  try {
    return Intl.getCanonicalLocales(tag.trim().replaceAll("_", "-"))[0] ?? "";
  } catch {
    return tag.trim().split(/[-_]/, 1)[0];
  }
}

export class Language {
  /**
   * @param {string[]} wanted language tags, the most wanted first
   * @param {string} [timeZone] an IANA name; the browser's own unless given
   */
  constructor(wanted, timeZone) {
    const tag = wanted.map(wellFormed).find((each) => Object.hasOwn(texts, base(each))) ?? "en";
    this.tag = tag;
    this.rightToLeft = base(tag) in semiticTexts;
    this.texts = texts[base(tag)];
    this.zone = timeZone ? knownZone(timeZone) : undefined;
    this.plural = new Intl.PluralRules(tag);
    this.number = new Intl.NumberFormat(tag);
    this.relative = new Intl.RelativeTimeFormat(tag, { numeric: "auto" });
    const format = (options) => new Intl.DateTimeFormat(tag, { timeZone: this.zone, ...options });
    this.clock = format({ hour: "numeric", minute: "2-digit" });
    this.full = format({ dateStyle: "full", timeStyle: "short" });
    this.day = format({ weekday: "long", day: "numeric", month: "long" });
    this.dayAndYear = format({ weekday: "long", day: "numeric", month: "long", year: "numeric" });
    // Latin digits and a fixed calendar: this one is a key to sort by, and never shown.
    this.key = new Intl.DateTimeFormat("en-u-ca-gregory-nu-latn", {
      timeZone: this.zone,
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
    });
  }

  /** The text of this name, with `n` in the plural form that it needs. */
  say(name, values = {}) {
    const text = this.texts[name] ?? texts.en[name];
    const form = typeof text === "string" ? text : (text[this.plural.select(values.n)] ?? text.other);
    return form.replace(/\{(\w+)\}/g, (_, key) =>
      typeof values[key] === "number" ? this.number.format(values[key]) : String(values[key]),
    );
  }

  /** A category by its name here, or what the back end calls it. */
  category(name) {
    return Object.hasOwn(texts.en, name) &&
      ["bookings", "reviews", "jobs", "system", "social", "general"].includes(name)
      ? this.say(name)
      : this.#capital(name.replaceAll(/[-_]/g, " "));
  }

  /** The calendar day of a moment where the reader is, as `YYYY-MM-DD`. */
  dayKey(moment) {
    const parts = Object.fromEntries(this.key.formatToParts(moment).map(({ type, value }) => [type, value]));
    return `${parts.year}-${parts.month}-${parts.day}`;
  }

  /** What a day is called: today, yesterday, or its date. */
  dayName(moment, now = Date.now()) {
    const key = this.dayKey(moment);
    const days = Math.round((Date.parse(key) - Date.parse(this.dayKey(now))) / (24 * HOUR));
    if (days === 0 || days === -1) return this.#capital(this.relative.format(days, "day"));
    const sameYear = key.slice(0, 4) === this.dayKey(now).slice(0, 4);
    return this.#capital((sameYear ? this.day : this.dayAndYear).format(moment));
  }

  /** How long ago within the hour, the time of day before that. A clock that runs behind sees no future. */
  ago(moment, now = Date.now()) {
    const past = Math.max(0, now - moment);
    if (past < MINUTE) return this.relative.format(0, "second");
    if (past < HOUR) return this.relative.format(-Math.floor(past / MINUTE), "minute");
    return this.clock.format(moment);
  }

  /** A moment that may be of another day, as short as it can be understood. */
  moment(moment, now = Date.now()) {
    const time = this.clock.format(moment);
    return this.dayKey(moment) === this.dayKey(now) ? time : `${this.dayName(moment, now)}, ${time}`;
  }

  #capital(text) {
    const [first = "", ...rest] = text;
    return first.toLocaleUpperCase(this.tag) + rest.join("");
  }
}

function base(tag) {
  return tag.toLowerCase().split("-")[0];
}
