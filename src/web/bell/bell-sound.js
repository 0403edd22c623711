// The sound of an arrival: two soft tones made by the browser, no file. Off until the reader switches it on;
// the choice is remembered in this browser.

const KEY = "bellhop-sound";

// Long enough that no other tab, however late it hears of the same arrival, rings a second time.
const HELD_MS = 3000;

let audio = null;

export function soundWanted() {
  try {
    return localStorage.getItem(KEY) === "on";
  } catch {
    return false; // Storage is forbidden here: then nothing is remembered, and it stays off.
  }
}

/** Remembers the choice. Called by the press of a button, which is when a browser lets sound begin: so it is heard once. */
export function chooseSound(on) {
  try {
    localStorage.setItem(KEY, on ? "on" : "off");
  } catch {
    // It holds for as long as the page does.
  }
  if (on) void play();
}

/** Rings for the arrival of this id, in one of the tabs that may. */
export async function ring(id) {
  // A browser lets nobody be heard before the reader has done something in the page, and warns of each attempt.
  if (navigator.userActivation && !navigator.userActivation.hasBeenActive) return;
  if (!navigator.locks) return play();
  await navigator.locks.request(`bellhop-sound-${id}`, { ifAvailable: true }, async (lock) => {
    if (!lock) return;
    await play();
    await new Promise((done) => setTimeout(done, HELD_MS));
  });
}

async function play() {
  audio ??= new AudioContext();
  if (audio.state === "suspended") await audio.resume();
  const start = audio.currentTime + 0.02;
  tone(audio, 880, start);
  tone(audio, 1174.66, start + 0.14);
}

// A sine that comes at once and dies away, as a struck bell does.
function tone(context, hertz, start) {
  const oscillator = context.createOscillator();
  const loudness = context.createGain();
  oscillator.frequency.value = hertz;
  loudness.gain.setValueAtTime(0.0001, start);
  loudness.gain.exponentialRampToValueAtTime(0.12, start + 0.015);
  loudness.gain.exponentialRampToValueAtTime(0.0001, start + 0.6);
  oscillator.connect(loudness).connect(context.destination);
  oscillator.start(start);
  oscillator.stop(start + 0.65);
}
