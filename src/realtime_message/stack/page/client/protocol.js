/**
 * What the Centrifugo client protocol (JSON, version 2) says about frames and codes; pure.
 */

/** Codes of errors that this module makes itself; the gateway's own start at 100. */
export const LOCAL_ERROR = { closed: 1, timeout: 2, tooLarge: 3, token: 4 };

/** Why a command, a subscription or a connection failed. */
export class GatewayError extends Error {
  /**
   * @param {number} code
   * @param {string} message
   * @param {boolean} temporary whether the same request may succeed later
   */
  constructor(code, message, temporary = false) {
    super(message);
    this.name = "GatewayError";
    this.code = code;
    this.temporary = temporary;
  }

  /** @param {{code?: number, message?: string, temporary?: boolean}} error of a reply */
  static fromReply(error) {
    return new GatewayError(error.code ?? 0, error.message ?? "", error.temporary === true);
  }
}

const TOKEN_EXPIRED = 109;

/** Whether an error means that a new token will help. */
export function wantsNewToken(error) {
  return error.code === TOKEN_EXPIRED;
}

/** Whether a failed connect or subscribe is tried again; error 109 is, with a new token. */
export function isWorthRetrying(error) {
  return error.temporary === true || wantsNewToken(error);
}

const MESSAGE_TOO_BIG = 1009; // RFC 6455: sending the same again would end the same way

/** Whether a client stays away after this close code: 3500-3999 and 4500-4999 are for good. */
export function isTerminalClose(code) {
  const isForGood = (code >= 3500 && code < 4000) || (code >= 4500 && code < 5000);
  return isForGood || code === MESSAGE_TOO_BIG;
}

/** Whether a client subscribes again after this unsubscribe code: from 2500 on. */
export function isTerminalUnsubscribe(code) {
  return code < 2500;
}

/** The messages of one WebSocket text frame: JSON objects, one a line. */
export function parseFrame(text) {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/**
 * How long to wait before the next attempt: doubling, with jitter so that clients which lost the
 * same gateway do not come back in one moment.
 *
 * @param {number} attempt 0 for the first wait
 * @param {{minMs: number, maxMs: number}} limits
 * @returns {number} milliseconds
 */
export function backoffDelay(attempt, { minMs, maxMs }) {
  const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(attempt, 20));
  return Math.round(ceiling / 2 + Math.random() * (ceiling / 2));
}

/** A random UUID, also where the page is not a secure context (http:// on a LAN name). */
export function newId() {
  if (typeof crypto.randomUUID === "function") return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Tell an object's listeners; what they get is `event.detail`. */
export function emit(target, type, detail) {
  target.dispatchEvent(new CustomEvent(type, { detail }));
}
