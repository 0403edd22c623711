// Where the dropdown and the toasts stand. Both are in the browser's top layer, so that no page's overflow or
// stacking hides them; their place is worked out here, because the bell may stand at any edge of any page.

const GAP = 8;
const NARROW = 480;
const LEAST_HEIGHT = 280;

/** The window, or the part of it that the page wants everything to stay in. */
function area(boundary) {
  const width = document.documentElement.clientWidth;
  const height = window.innerHeight;
  if (!boundary) return { left: 0, top: 0, right: width, bottom: height };
  const box = boundary.getBoundingClientRect();
  // Out of sight it takes along what it holds.
  if (box.right <= 0 || box.left >= width || box.bottom <= 0 || box.top >= height) return box;
  return {
    left: Math.max(0, box.left),
    top: Math.max(0, box.top),
    right: Math.min(width, box.right),
    bottom: Math.min(height, box.bottom),
  };
}

function put(element, box) {
  for (const side of ["left", "top", "right", "bottom", "width", "maxHeight"]) {
    element.style[side] = side in box ? `${Math.round(box[side])}px` : "auto";
  }
}

/** Below the bell or above it, wherever there is room; on a narrow screen a sheet over the full width. */
export function placePanel(panel, anchor, boundary) {
  const room = area(boundary);
  const wide = room.right - room.left;
  const sheet = wide < NARROW;
  panel.classList.toggle("sheet", sheet);
  panel.classList.toggle("bounded", boundary !== null);
  if (sheet) {
    const high = room.bottom - room.top;
    put(panel, { left: room.left, width: wide, bottom: window.innerHeight - room.bottom, maxHeight: high * 0.88 });
    return;
  }
  // Measured without what an earlier place imposed.
  panel.style.width = "";
  const bell = anchor.getBoundingClientRect();
  const width = Math.min(panel.offsetWidth, wide - 2 * GAP);
  const rightToLeft = getComputedStyle(anchor).direction === "rtl";
  const wished = rightToLeft ? bell.left : bell.right - width;
  const left = Math.min(Math.max(wished, room.left + GAP), room.right - GAP - width);
  const below = room.bottom - bell.bottom - 2 * GAP;
  const above = bell.top - room.top - 2 * GAP;
  if (below >= LEAST_HEIGHT || below >= above) {
    put(panel, { left, width, top: bell.bottom + GAP, maxHeight: Math.max(below, 120) });
  } else {
    put(panel, { left, width, bottom: window.innerHeight - bell.top + GAP, maxHeight: above });
  }
}

/** In the corner that the page chose, such as `bottom-end`; on a narrow screen over the full width. */
export function placeToasts(region, corner, boundary) {
  const room = area(boundary);
  const wide = room.right - room.left;
  const [edge, side] = corner.split("-");
  region.style.width = "";
  const width = wide < NARROW ? wide - 2 * GAP : Math.min(region.offsetWidth, wide - 2 * GAP);
  const atLeft = (side === "start") !== (getComputedStyle(region).direction === "rtl");
  const left = wide < NARROW || atLeft ? room.left + GAP : room.right - GAP - width;
  const upright = edge === "top" ? { top: room.top + GAP } : { bottom: window.innerHeight - room.bottom + GAP };
  put(region, { left, width, ...upright });
}

/** Calls `place` whenever the window or what is scrolled in it has moved; answers what ends that. */
export function keepPlaced(place) {
  const signal = new AbortController();
  let due = 0;
  const again = () => {
    due ||= requestAnimationFrame(() => {
      due = 0;
      if (!signal.signal.aborted) place();
    });
  };
  window.addEventListener("resize", again, { signal: signal.signal });
  window.addEventListener("scroll", again, { signal: signal.signal, capture: true, passive: true });
  place();
  return () => signal.abort();
}
