// The browser's storage, which its owner may have switched off: then the page forgets, and works all the same.
// `area` is "localStorage" or "sessionStorage"; naming it is safe where touching it throws.

export function recall(area, key) {
  try {
    return window[area].getItem(key);
  } catch {
    return null;
  }
}

export function remember(area, key, value) {
  try {
    window[area].setItem(key, value);
  } catch {
    // Switched off or full. What is kept here is a comfort, never a condition.
  }
}
