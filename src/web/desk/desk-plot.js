// Plots: lines, areas or bars over time as inline SVG, with axes and units, a value under the pointer or the arrow
// keys, a name for screen readers and the same figures as a table. Drawn in the pixels there are, so that letters
// keep their size.

import { el, reconcile, setAttribute, setText, svg } from "./desk-dom.js";
import { local } from "./desk-time.js";
import { steps, timeTicks } from "./desk-scale.js";

const UNKNOWN = "Not known yet";
const HEIGHT = 190;
/** Narrower, the axis has no place for its times. */
const WIDTH_MIN = 240;
const PAD = { top: 14, end: 12, bottom: 24, start: 52 };
/** The table has the newest at most. */
const ROWS_MAX = 60;

/**
 * @param {{title: string, kind: "line"|"bars", format: (value: number) => string, least: number, empty: string,
 *   series: {name: string, tone: string}[]}} how `least`: what the axis reaches at least
 */
export function plot({ title, kind, format, least, empty, series }) {
  const picture = svg("svg", {
    class: "plot",
    tabindex: "0",
    role: "slider",
    "aria-roledescription": "plot",
    "aria-label": title,
    "aria-valuemin": 0,
  });
  const legend =
    series.length > 1
      ? el(
          "ul",
          { class: "legend" },
          series.map(({ name, tone }) => el("li", { class: tone, text: name })),
        )
      : null;
  const value = el("output", { class: "plot-value" });
  const rows = el("tbody");
  const head = el(
    "tr",
    {},
    el("th", { scope: "col", text: "Time" }),
    series.map(({ name }) => el("th", { scope: "col", text: name })),
  );
  const scroller = el(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": `${title}, as a table` },
    el("table", {}, el("thead", {}, head), rows),
  );
  const details = el("details", { class: "plot-table" }, el("summary", { text: "As a table" }), scroller);
  const element = el(
    "figure",
    { class: "plot-box" },
    el("figcaption", {}, el("h3", { text: title }), legend, value),
    picture,
    details,
  );

  const marks = svg("g", { class: "marks" });
  /** Times with a value or null for each series, oldest first. */
  let data = { from: 1, to: 2, points: [] };
  /** That there is nothing is only said once that is known. */
  let nothing = UNKNOWN;
  let chosen = null;
  details.addEventListener("toggle", () => tabulate());

  const drawnWidth = () => Math.max(picture.clientWidth, WIDTH_MIN);

  function draw() {
    const width = drawnWidth();
    const scale = scaleOf(data, { width, least });
    picture.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    const shapes = series.map((one, index) => (kind === "bars" ? bars : line)(data, index, one, scale));
    picture.replaceChildren(axes(data, scale, { width, format }), ...shapes.flat(), marks);
    if (!data.points.length) {
      picture.append(svg("text", { class: "plot-empty", x: width / 2, y: HEIGHT / 2, text: nothing }));
    }
    mark(scale);
  }

  /** The value that is pointed at: drawn apart from the rest, which stays as it is. */
  function mark(scale = scaleOf(data, { width: drawnWidth(), least })) {
    const point = data.points[chosen];
    marks.replaceChildren(...(point ? marksOf(point, scale) : []));
    say();
  }

  function marksOf(point, scale) {
    const x = scale.x(kind === "bars" ? point.at + data.step / 2 : point.at);
    const rule = svg("line", { class: "plot-mark", x1: x, x2: x, y1: PAD.top, y2: HEIGHT - PAD.bottom });
    const dots = point.values.map((one, index) =>
      one === null || kind === "bars"
        ? null
        : svg("circle", { class: `dot ${series[index].tone}`, cx: x, cy: scale.y(one), r: 4 }),
    );
    return [rule, ...dots.filter(Boolean)];
  }

  function say() {
    const point = data.points[chosen] ?? data.points.at(-1);
    const text = point ? `${local(point.at)}: ${spoken(point)}` : nothing;
    setText(value, point ? text : "");
    setAttribute(picture, "aria-valuemax", Math.max(0, data.points.length - 1));
    setAttribute(picture, "aria-valuenow", Math.max(0, data.points.indexOf(point)));
    setAttribute(picture, "aria-valuetext", text);
  }

  function spoken(point) {
    const said = point.values.map(
      (one, index) => `${series.length > 1 ? `${series[index].name} ` : ""}${one === null ? "none" : format(one)}`,
    );
    return said.join(", ");
  }

  function tabulate() {
    if (!details.open) return;
    reconcile(rows, data.points.slice(-ROWS_MAX).reverse(), {
      key: (point) => String(point.at),
      create: (point) =>
        el(
          "tr",
          {},
          el("th", { scope: "row", text: local(point.at) }),
          series.map(() => el("td")),
        ),
      update: (row, point) =>
        point.values.forEach((one, index) => setText(row.children[index + 1], one === null ? "–" : format(one))),
    });
  }

  function choose(index) {
    const last = data.points.length - 1;
    chosen = index === null || last < 0 ? null : Math.max(0, Math.min(last, index));
    mark();
  }

  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const share = (event.clientX - box.left - PAD.start) / (box.width - PAD.start - PAD.end);
    const at = data.from + share * (data.to - data.from) - (kind === "bars" ? data.step / 2 : 0);
    choose(nearest(data.points, at));
  });
  picture.addEventListener("pointerleave", () => choose(null));
  picture.addEventListener("blur", () => choose(null));
  picture.addEventListener("keydown", (event) => {
    const last = data.points.length - 1;
    const from = chosen ?? last + (event.key === "ArrowRight" ? 0 : 1);
    const moves = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: last };
    if (!(event.key in moves)) return;
    event.preventDefault();
    choose(moves[event.key]);
  });
  new ResizeObserver(() => draw()).observe(picture);

  return {
    element,
    /** @param {{from: number, to: number, step?: number, points: {at: number, values: (number|null)[]}[]}} next */
    show(next) {
      const held = data.points[chosen]?.at;
      data = next;
      nothing = empty;
      chosen = held === undefined ? null : nearest(data.points, held);
      draw();
      tabulate();
    },
  };
}

function nearest(points, at) {
  if (!points.length) return null;
  let best = 0;
  points.forEach((point, index) => {
    if (Math.abs(point.at - at) < Math.abs(points[best].at - at)) best = index;
  });
  return best;
}

function scaleOf(data, { width, least }) {
  const highest = Math.max(least, ...data.points.flatMap((point) => point.values.map((one) => one ?? 0)));
  const ticks = steps(highest);
  const top = ticks.at(-1);
  const x = (at) => PAD.start + ((at - data.from) / (data.to - data.from)) * (width - PAD.start - PAD.end);
  const y = (value) => HEIGHT - PAD.bottom - (value / top) * (HEIGHT - PAD.top - PAD.bottom);
  return { x, y, ticks };
}

function axes(data, { x, y, ticks }, { width, format }) {
  const group = svg("g", { class: "axes", "aria-hidden": "true" });
  for (const tick of ticks) {
    group.append(
      svg("line", { x1: PAD.start, x2: width - PAD.end, y1: y(tick), y2: y(tick) }),
      svg("text", { class: "axis-y", x: PAD.start - 8, y: y(tick) + 4, text: format(tick) }),
    );
  }
  for (const { at, text } of timeTicks(data.from, data.to, Math.max(3, Math.floor(width / 90)))) {
    group.append(svg("text", { class: "axis-x", x: x(at), y: HEIGHT - 6, text }));
  }
  return group;
}

function line(data, index, { tone }, { x, y }) {
  let path = "";
  let area = "";
  let begun = null;
  const close = (last) => {
    if (begun !== null) area += `L${last} ${y(0)}L${begun} ${y(0)}Z`;
    begun = null;
  };
  let previous = 0;
  for (const point of data.points) {
    const one = point.values[index];
    if (one === null) {
      close(previous);
      continue;
    }
    const place = `${x(point.at).toFixed(1)} ${y(one).toFixed(1)}`;
    path += `${begun === null ? "M" : "L"}${place}`;
    area += `${begun === null ? "M" : "L"}${place}`;
    previous = x(point.at).toFixed(1);
    begun ??= previous;
  }
  close(previous);
  const filled = index === 0 ? [svg("path", { class: `area ${tone}`, d: area })] : [];
  // A value between two gaps has no line through it.
  const lonely = data.points.filter(
    (point, place) =>
      point.values[index] !== null &&
      (data.points[place - 1]?.values[index] ?? null) === null &&
      (data.points[place + 1]?.values[index] ?? null) === null,
  );
  const dots = lonely.map((point) =>
    svg("circle", { class: `dot ${tone}`, cx: x(point.at), cy: y(point.values[index]), r: 3 }),
  );
  return [...filled, svg("path", { class: `line ${tone}`, d: path }), ...dots];
}

function bars(data, index, { tone }, { x, y }) {
  const wide = x(data.from + data.step) - x(data.from);
  const gap = wide > 6 ? 2 : 0.5;
  return data.points
    .filter((point) => point.values[index])
    .map((point) =>
      svg("rect", {
        class: `bar ${tone}`,
        x: (x(point.at) + gap / 2).toFixed(1),
        width: Math.max(1, wide - gap).toFixed(1),
        y: y(point.values[index]).toFixed(1),
        height: (y(0) - y(point.values[index])).toFixed(1),
      }),
    );
}
