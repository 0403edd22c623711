// As much of React as one hook needs: state, refs and effects of a single component without children.
// What it renders goes to the test.

import { report } from "./driver.mjs";

let cells = [];
let next = 0;
let effects = [];
let rerender = () => {};

function cell(initial) {
  const at = next++;
  if (at === cells.length) cells.push(initial());
  return cells[at];
}

export function useRef(value) {
  return cell(() => ({ current: value }));
}

export function useState(value) {
  const state = cell(() => ({ value }));
  const set = (change) => {
    state.value = typeof change === "function" ? change(state.value) : change;
    rerender();
  };
  return [state.value, set];
}

export function useEffect(effect, dependencies) {
  const state = cell(() => ({ dependencies: null, cleanUp: null }));
  const same = state.dependencies?.every((value, at) => Object.is(value, dependencies[at]));
  if (same) return;
  effects.push(() => {
    state.cleanUp?.();
    state.dependencies = dependencies;
    state.cleanUp = effect() ?? null;
  });
}

// Shows `component` and everything it becomes; answers what takes it off the page.
export function mount(component) {
  const render = () => {
    next = 0;
    report("render", component());
    const due = effects;
    effects = [];
    due.forEach((run) => run());
  };
  rerender = render;
  render();
  return () => {
    // What is set from now on changes nothing, as in React.
    rerender = () => {};
    cells.forEach((state) => state.cleanUp?.());
    cells = [];
  };
}
