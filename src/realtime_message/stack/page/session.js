/** Who uses this tab, and the tokens that prove it to the gateway. */

import { newId } from "./client/protocol.js";
import { recall, remember, tabStorage } from "./storage.js";

const DEVICE = "rtm.device";
const NAME = "rtm.name";

/** The name that this tab had before a reload, or null. */
export function rememberedName() {
  return recall(NAME, tabStorage);
}

/** A failed request to the page's server; temporary ones may succeed later. */
export class TokenError extends Error {
  constructor(code, message, temporary) {
    super(message);
    this.code = code;
    this.temporary = temporary;
  }
}

/**
 * Become someone.
 *
 * @param {string} name
 * @returns {Promise<{name: string, user: string, getToken: () => Promise<string>}>}
 * @throws {TokenError}
 */
export async function signIn(name) {
  let first = await requestToken(name);
  remember(NAME, name, tabStorage);
  async function getToken() {
    const { token } = first ?? (await requestToken(name));
    first = null;
    return token;
  }
  return { name, user: first.user, getToken };
}

async function requestToken(name) {
  let response;
  try {
    response = await fetch("token", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name, device: deviceKey() }),
    });
  } catch (error) {
    throw new TokenError("unreachable", error.message, true);
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  const { code = "failed", message = response.statusText } = answer.error ?? {};
  throw new TokenError(code, message, response.status >= 500);
}

/** A secret of this browser: the same name on the same browser is the same user. */
function deviceKey() {
  let key = recall(DEVICE);
  if (key === null) {
    key = newId();
    remember(DEVICE, key);
  }
  return key;
}
