// When each number may be sent another code. Kept in localStorage, so that a reload or a second tab goes on counting;
// a number is kept there no longer than it has to wait.

import { recall, remember } from "./storage.js";

const KEPT = "postrider.resend";

let waits = read();

/** Whole seconds that a number has to wait; 0 when it may be sent a code now. */
export function secondsLeft(number) {
  const wait = waits[number];
  const now = Date.now();
  // A clock that was set back would make the minute last for as long as it was set back.
  if (!wait || now < wait.from) return 0;
  return Math.max(0, Math.ceil((wait.until - now) / 1000));
}

/** From now on this number has to wait. */
export function startWait(number, seconds) {
  const from = Date.now();
  waits[number] = { from, until: from + seconds * 1000 };
  forgetOver();
}

/** Drops the numbers that need not wait any more. */
export function forgetOver() {
  waits = Object.fromEntries(Object.entries(waits).filter(([number]) => secondsLeft(number) > 0));
  remember("localStorage", KEPT, JSON.stringify(waits));
}

/** Calls back when another tab has changed what is kept. */
export function onOtherTab(changed) {
  window.addEventListener("storage", ({ key }) => {
    if (key !== KEPT && key !== null) return;
    waits = read();
    changed();
  });
}

function read() {
  try {
    return JSON.parse(recall("localStorage", KEPT)) ?? {};
  } catch {
    // Not what was written here. The server counts too.
    return {};
  }
}
