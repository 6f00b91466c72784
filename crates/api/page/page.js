// The page: its two forms, the picture, the countdown, and what is shown for each answer.

import { forgetOver, onOtherTab, secondsLeft, startWait } from "./countdown.js";
import { allRight, byId, captcha, code, number } from "./fields.js";
import { duration, say, startLanguage } from "./language.js";
import * as requests from "./requests.js";
import { recall, remember } from "./storage.js";

/** How long to wait for another code where the server does not say. */
const USUAL_WAIT = 60;
/** An empty field's picture is replaced when it is this old, before the server has forgotten it. */
const OLD_PICTURE_MS = 100_000;
/** The number lasts as long as the tab: a reload finds it, the next person at this machine does not. */
const LAST_NUMBER = "postrider.number";

const [page, steps, verified, message] = ["page", "steps", "verified", "message"].map(byId);
const [sendForm, sendButton, sendName, sendWait] = ["send-form", "send", "send-name", "send-wait"].map(byId);
const [checkForm, sendStatus, codeStatus] = ["check-form", "send-status", "code-status"].map(byId);
const [image, sound] = ["picture", "sound"].map(byId);

let picture;
let drawn;
let ticking;

start();

function start() {
  startLanguage(showWait);
  number.input.value = recall("sessionStorage", LAST_NUMBER) ?? "";
  number.input.addEventListener("input", showWait);
  number.input.addEventListener("keydown", goOnToThePicture);
  captcha.input.addEventListener("focus", replaceOldPicture);
  image.addEventListener("error", () => captcha.fail("pictureFailed"));
  byId("another").addEventListener("click", anotherPicture);
  byId("listen").addEventListener("click", listen);
  byId("restart").addEventListener("click", restart);
  onOtherTab(showWait);
  onSubmit(sendForm, send);
  onSubmit(checkForm, check);
  newPicture();
  showWait();
  page.hidden = false;
}

/** One request at a time: a second click while one runs does nothing. */
function onSubmit(form, run) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.ariaBusy === "true") return;
    form.ariaBusy = "true";
    try {
      await run();
    } finally {
      form.ariaBusy = null;
    }
  });
}

/** Enter in the number goes on to the picture that is still to be read; who has read it asks for the code. */
function goOnToThePicture(event) {
  if (event.key !== "Enter" || event.isComposing || captcha.value) return;
  event.preventDefault();
  if (allRight(number)) captcha.focus();
}

async function send() {
  if (!allRight(number, captcha)) return;
  const to = number.value;
  say(message, null);
  const answer = await requests.sendCode(to, picture, captcha.value);
  // The server burns a picture with the answer, whatever the answer is.
  newPicture();
  showSent(to, answer);
}

function showSent(to, answer) {
  code.clear();
  say(codeStatus, null);
  switch (answer.code) {
    case requests.OK:
      wait(to, answer.wait);
      say(codeStatus, "codeSent", { number: pretty(to) });
      code.empty();
      return code.focus();
    case requests.TOO_OFTEN:
      wait(to, answer.wait);
      code.fail("sentTooOften");
      return code.focus();
    case requests.WRONG_CAPTCHA:
      captcha.fail("captchaWrong");
      return captcha.focus();
    case requests.BAD_NUMBER:
      number.fail("numberRefused");
      return number.focus();
    default:
      showFailure(answer, "sendUnavailable");
      return captcha.focus();
  }
}

async function check() {
  if (!allRight(number, code)) return;
  const to = number.value;
  say(message, null);
  const answer = await requests.checkCode(to, code.value);
  say(codeStatus, null);
  switch (answer.code) {
    case requests.OK:
      return showVerified(to);
    case requests.WRONG_CODE:
      code.fail("codeWrong");
      return code.focus();
    case requests.TOO_OFTEN:
      code.fail("guessedTooOften", { wait: () => duration(answer.wait ?? USUAL_WAIT) });
      return code.focus();
    case requests.BAD_NUMBER:
      number.fail("numberRefused");
      return number.focus();
    default:
      return showFailure(answer, "unavailable");
  }
}

function showFailure(answer, key) {
  say(message, answer.code === requests.UNREACHABLE ? "unreachable" : key);
  message.scrollIntoView({ block: "nearest" });
}

function showVerified(to) {
  say(byId("verified-number"), "verifiedNumber", { number: pretty(to) });
  steps.hidden = true;
  verified.hidden = false;
  byId("verified-title").focus();
}

function restart() {
  for (const field of [number, captcha, code]) {
    field.empty();
    field.clear();
  }
  remember("sessionStorage", LAST_NUMBER, "");
  verified.hidden = true;
  steps.hidden = false;
  showWait();
  number.focus();
}

function anotherPicture() {
  newPicture();
  captcha.focus();
}

function newPicture() {
  picture = requests.newPicture();
  drawn = Date.now();
  sound.pause();
  captcha.clear();
  captcha.empty();
  image.src = requests.pictureUrl(picture);
}

function replaceOldPicture() {
  if (!captcha.value && Date.now() - drawn > OLD_PICTURE_MS) newPicture();
}

async function listen() {
  sound.src = requests.soundUrl(picture);
  try {
    await sound.play();
  } catch (error) {
    // The next press or a new picture has stopped this one.
    if (error.name !== "AbortError") captcha.fail("soundFailed");
  }
}

function wait(to, seconds = USUAL_WAIT) {
  startWait(to, seconds);
  remember("sessionStorage", LAST_NUMBER, to);
  say(sendStatus, "sendWait", { wait: () => duration(seconds) });
  showWait();
}

/** Shows how long the number in its field has to wait, and looks again after a second while it has to. */
function showWait() {
  clearTimeout(ticking);
  const left = secondsLeft(number.value);
  sendButton.disabled = left > 0;
  steps.dataset.step = left > 0 ? "check" : "send";
  // The seconds are for the eye alone: a screen reader is told the beginning and the end, by the status.
  sendName.className = left > 0 ? "unseen" : "";
  say(sendWait, left > 0 ? "sendWait" : null, { wait: () => duration(left) });
  if (left > 0) ticking = setTimeout(tick, 1000);
  else forgetOver();
}

function tick() {
  showWait();
  if (sendButton.disabled) return;
  code.clear("sentTooOften");
  say(sendStatus, "sendAgain");
}

/** +86 138 0013 8000, as it is read aloud; the blanks do not break. */
function pretty(to) {
  return to.replace(/^(\d{3})(\d{4})(\d{4})$/, "+86\u00a0$1\u00a0$2\u00a0$3");
}
