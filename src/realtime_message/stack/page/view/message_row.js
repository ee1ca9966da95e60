/** One message, with what became of it. */

import { t } from "../preferences.js";
import { avatar, element, flash, icon, spoken } from "./dom.js";
import { clockTime, workerName } from "./format.js";

/**
 * What became of a message of mine.
 *
 * @param {object | undefined} entry in the outbox
 * @param {object | undefined} receipt of the worker
 * @returns {{name: string, parameters: object}}
 */
function stateOf(entry, receipt) {
  if (entry && entry.state !== "sent") {
    return { name: entry.state, parameters: { reason: entry.error?.message } };
  }
  if (receipt === undefined) return { name: "sent", parameters: {} };
  const names = { retry: "retry", abandoned: "retry", dead_letter: "dead" };
  const parameters = { attempt: receipt.attempt, worker: workerName(receipt.worker) };
  return { name: names[receipt.outcome] ?? "handled", parameters };
}

const ICONS = {
  sending: "clock",
  sent: "check",
  handled: "checks",
  retry: "again",
  dead: "warning",
  refused: "warning",
};

/**
 * A row for a message or an unsent entry, without its state.
 *
 * @param {object} message
 * @param {boolean} isFresh whether it comes in sight of the reader, and may move
 */
export function createMessage({ name, user, text, at, isMine, recovered }, isFresh) {
  const author = element("span", { class: "author" }, isMine ? t("messages.you") : name);
  const about = element("div", { class: "about" }, author, element("time", {}, clockTime(at)));
  about.lastElementChild.dateTime = new Date(at).toISOString();
  if (recovered) {
    const hint = t("messages.recovered.hint");
    about.append(element("span", { class: "tag recovered", title: hint }, t("messages.recovered")));
  }
  const bubble = element("div", { class: "bubble" }, element("p", {}, text));
  const body = element("div", { class: "body" }, about, bubble, element("div", { class: "state" }));
  const row = element("li", { class: isMine ? "message mine" : "message" });
  if (isFresh) flash(row);
  row.append(avatar(user, name), body);
  return row;
}

/**
 * Bring a row up to date.
 *
 * @param {Element} row
 * @param {{message: object, entry?: object, receipt?: object, follows: boolean}} item `follows`:
 *   the one above is by the same person
 * @param {{retry: (id: string) => void, discard: (id: string) => void}} actions
 */
export function refreshMessage(row, { message, entry, receipt, follows }, actions) {
  row.classList.toggle("follows", follows);
  if (!message.isMine) return;
  const { name, parameters } = stateOf(entry, receipt);
  const shown = `${name}/${receipt?.worker}/${receipt?.attempt}`;
  if (row.dataset.shown === shown) return;
  row.dataset.shown = shown;
  row.dataset.state = name;
  const state = row.querySelector(".state");
  const label = t(`state.${name}`, parameters);
  state.title = label;
  if (name === "refused") {
    state.replaceChildren(icon(ICONS[name]), t("state.refused.reason", parameters));
    state.append(...refusedButtons(entry.id, actions));
  } else {
    state.replaceChildren(icon(ICONS[name]), spoken(label));
  }
}

function refusedButtons(id, actions) {
  const button = (key, onclick) => element("button", { type: "button", onclick }, t(key));
  return [
    button("state.again", () => actions.retry(id)),
    button("state.discard", () => actions.discard(id)),
  ];
}
