// What the page asks of the server. An answer is its code and, where it was told, the seconds to wait.

/** The codes of the answers that the page knows; every other one means that the service cannot do it now. */
export const OK = "0";
export const WRONG_CAPTCHA = "4001";
export const TOO_OFTEN = "4002";
export const BAD_NUMBER = "4007";
export const WRONG_CODE = "4008";
/** No code of the server's: there was no answer. */
export const UNREACHABLE = "unreachable";

/** Longer than the server takes to give up by itself. */
const PATIENCE_MS = 30_000;

export function pictureUrl(picture) {
  return `image_codes/${picture}/`;
}

export function soundUrl(picture) {
  return `image_codes/${picture}/audio/`;
}

/** A fresh picture's id: a random UUID. */
export function newPicture() {
  // Only a page from HTTPS or from this machine has it.
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40; // version 4
  bytes[8] = (bytes[8] & 0x3f) | 0x80; // variant 1
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export function sendCode(number, picture, characters) {
  const query = new URLSearchParams({ uuid: picture, image_code: characters });
  return ask(`sms_codes/${encodeURIComponent(number)}/?${query}`);
}

export function checkCode(number, code) {
  return ask(`sms_codes/${encodeURIComponent(number)}/check/`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ sms_code: code }),
  });
}

async function ask(path, options = {}) {
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await fetch(path, { ...options, cache: "no-store", signal });
    const { code } = await response.json();
    return { code: String(code), wait: seconds(response.headers.get("Retry-After")) };
  } catch {
    // No connection, no answer in time, or one of a proxy that is not ours: the reader can do the same about each.
    return { code: UNREACHABLE };
  }
}

function seconds(header) {
  return /^\d+$/.test(header ?? "") ? Number(header) : undefined;
}
