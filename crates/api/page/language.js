// Says texts in the reader's language, and says them all again when it changes.
// What is said is kept as a key and never as a sentence, so that an error on the screen changes its language too.

import { recall, remember } from "./storage.js";
import { LANGUAGES, TEXTS } from "./texts.js";

const KEPT = "postrider.language";
const SHORT_WAIT = 120;

let language = chosen() ?? preferred();
/** What stands where: element -> property -> [key, values]. */
const said = new Map();

/** Puts a text into an element; no key takes it out. Values that are functions are asked in each language anew. */
export function say(element, key, values = {}, property = "textContent") {
  const properties = said.get(element) ?? new Map();
  said.set(element, properties.set(property, [key, values]));
  write(element, property, key, values);
}

/** A length of time as people say it. A minute is counted in seconds; nobody counts an hour's. */
export function duration(seconds) {
  if (seconds <= SHORT_WAIT) return text("seconds", { count: seconds });
  const minutes = Math.ceil(seconds / 60);
  if (minutes <= SHORT_WAIT) return text("minutes", { count: minutes });
  return text("hours", { count: Math.ceil(minutes / 60) });
}

/** Takes over the marked elements of the page and the buttons that switch. `changed` is called after each switch. */
export function startLanguage(changed) {
  for (const [mark, property] of [["text", "textContent"], ["label", "ariaLabel"], ["alt", "alt"]]) {
    for (const element of document.querySelectorAll(`[data-${mark}]`)) {
      say(element, element.dataset[mark], {}, property);
    }
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.addEventListener("click", () => {
      language = button.dataset.language;
      remember("localStorage", KEPT, language);
      writeAll();
      changed();
    });
  }
  writeAll();
}

function writeAll() {
  document.documentElement.lang = LANGUAGES[language];
  document.title = text("title");
  for (const [element, properties] of said) {
    for (const [property, [key, values]] of properties) write(element, property, key, values);
  }
  for (const button of document.querySelectorAll("[data-language]")) {
    button.ariaPressed = String(button.dataset.language === language);
  }
}

function write(element, property, key, values) {
  element[property] = key ? text(key, values) : "";
}

function text(key, values = {}) {
  return TEXTS[key][language].replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "function" ? value() : value;
  });
}

function chosen() {
  const kept = recall("localStorage", KEPT);
  return Object.hasOwn(LANGUAGES, kept) ? kept : null;
}

/** The first of the reader's languages that the page speaks. */
function preferred() {
  const known = navigator.languages.map((tag) => tag.toLowerCase().split("-")[0]);
  return known.find((tag) => Object.hasOwn(LANGUAGES, tag)) ?? "en";
}
