// The three fields: what is typed, whether it can be right, and the error below each.

import { say } from "./language.js";

export const byId = (id) => document.getElementById(id);

class Field {
  constructor(id, read, problem) {
    this.input = byId(id);
    this.error = byId(`${id}-error`);
    this.read = read;
    this.problem = problem;
    this.input.addEventListener("input", () => this.clear());
  }

  /** What is typed, as the server takes it. Full-width characters are what a Chinese keyboard types. */
  get value() {
    return this.read(this.input.value.normalize("NFKC").trim());
  }

  /** Says what is wrong. */
  fail(key, values) {
    this.failed = key;
    say(this.error, key, values);
    this.input.ariaInvalid = "true";
  }

  /** Takes the error back; with a key only that one. */
  clear(only = this.failed) {
    if (only !== this.failed) return;
    this.failed = null;
    say(this.error, null);
    this.input.ariaInvalid = null;
  }

  empty() {
    this.input.value = "";
  }

  focus() {
    this.input.focus();
    this.input.select();
  }
}

const digits = (typed) => typed.replace(/[\s().-]/g, "");
const asTyped = (typed) => typed;

// A number that was filled in by the browser may have the country before it.
const national = (typed) => digits(typed).replace(/^(?:\+|00)?86(?=1\d{10}$)/, "");

export const number = new Field("number", national, (value) => {
  if (!value) return "numberMissing";
  return /^1[3-9]\d{9}$/.test(value) ? null : "numberWrong";
});

export const captcha = new Field("captcha", asTyped, (value) => (value ? null : "captchaMissing"));

export const code = new Field("code", digits, (value) => {
  if (!value) return "codeMissing";
  return /^\d{6}$/.test(value) ? null : "codeMalformed";
});

/** Says what is plainly wrong before anything is asked, and goes to the first such field. True when all is well. */
export function allRight(...fields) {
  const wrong = fields.filter((field) => {
    const problem = field.problem(field.value);
    if (problem) field.fail(problem);
    else field.clear();
    return problem;
  });
  wrong[0]?.focus();
  return wrong.length === 0;
}
