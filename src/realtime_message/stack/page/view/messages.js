/** The messages of the open room. */

import { t } from "../preferences.js";
import { element, icon, updateList } from "./dom.js";
import { createMessage, refreshMessage } from "./message_row.js";

const SAME_BREATH_MS = 5 * 60_000;
const AT_END_PX = 60;

export class MessagesView {
  #room = null;
  #count = 0;
  #missed = 0;
  #title = document.getElementById("room-name");
  #problem = document.getElementById("room-problem");
  #scroll = document.getElementById("scroll");
  #list = document.getElementById("messages");
  #empty = document.getElementById("messages-empty");
  #toEnd = document.getElementById("to-end");

  constructor() {
    this.#toEnd.addEventListener("click", () => this.#scrollToEnd());
    this.#scroll.addEventListener("scroll", () => {
      if (this.#isAtEnd()) this.#showMissed(0);
    });
  }

  update(chat) {
    const room = chat.current;
    const isOther = room !== this.#room;
    const wasAtEnd = isOther || this.#isAtEnd();
    if (isOther) this.#open(room);
    this.#problem.hidden = !room.problem;
    this.#problem.textContent = t("rooms.refused", { reason: room.problem });
    this.#scroll.setAttribute("aria-label", t("messages", { room: room.name }));

    const items = itemsOf(chat, room);
    const create = (item) => createRow(item, !isOther);
    updateList(this.#list, items, create, (node, item) => {
      if (item.message.kind !== "note") refreshMessage(node, item, chat);
    });
    this.#empty.hidden = items.length > 0;

    const added = items.length - this.#count;
    const isMineLast = items.at(-1)?.message.isMine && added > 0;
    this.#count = items.length;
    if (wasAtEnd || isMineLast) this.#scrollToEnd();
    else if (added > 0) this.#showMissed(this.#missed + added);
  }

  /** Draw everything anew: the language changed. */
  reset() {
    this.#room = null;
  }

  #open(room) {
    this.#room = room;
    this.#count = 0;
    this.#title.textContent = room.name;
    this.#list.replaceChildren();
    this.#showMissed(0);
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    return scrollHeight - scrollTop - clientHeight < AT_END_PX;
  }

  #scrollToEnd() {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    this.#showMissed(0);
  }

  #showMissed(count) {
    this.#missed = count;
    this.#toEnd.hidden = count === 0;
    if (count) this.#toEnd.replaceChildren(icon("down"), t("messages.new", { count }));
  }
}

/** Rows to draw: what the room shows, then what is not seen in it yet. */
function itemsOf(chat, room) {
  const unseen = chat.unseenIn(room).map((entry) => ({ message: unsent(entry, chat.me), entry }));
  const seen = room.rows.map((message) => ({ message, entry: chat.entryOf(message) }));
  const items = [...seen, ...unseen];
  return items.map((item, index) => ({
    ...item,
    key: item.message.key,
    receipt: chat.receipts.of(item.message.id),
    follows: isSameBreath(items[index - 1]?.message, item.message),
  }));
}

function unsent({ id, data, order }, { name, user }) {
  const at = Math.floor(order); // the time at which it was written
  return { kind: "message", key: id, id: "", user, name, isMine: true, text: data.text, at };
}

function isSameBreath(before, message) {
  return before?.user === message.user && message.at - before.at < SAME_BREATH_MS;
}

function createRow({ message }, isFresh) {
  if (message.kind === "message") return createMessage(message, isFresh);
  return element("li", { class: "note" }, icon("warning"), t(message.textKey));
}
