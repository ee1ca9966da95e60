/** What a screen reader says: new messages of the open room, and changes of the connection. */

import { t } from "../preferences.js";
import { element } from "./dom.js";

const KEPT = 5;

export class Announcer {
  #messages = document.getElementById("announce-messages");
  #connection = document.getElementById("announce-connection");
  #state = "connecting";

  /** Someone else's message arrived. */
  message({ name, text }) {
    this.#messages.append(element("p", {}, t("messages.announce", { name, text })));
    while (this.#messages.children.length > KEPT) this.#messages.firstElementChild.remove();
  }

  /** Said once for each change, not for every second of a countdown. */
  connection({ state, reason, code, retryAt }) {
    if (state === "connecting" && retryAt === undefined) return;
    if (state === this.#state) return;
    this.#state = state;
    const key = state === "connecting" ? "connection.lost" : `connection.${state}`;
    this.#connection.textContent = t(key, { reason: reason || code });
  }
}
