/** The messages of the open room. */

import { t } from "../preferences.js";
import { element, icon, updateList } from "./dom.js";
import { createMessage, refreshMessage } from "./message_row.js";

const SAME_BREATH_MS = 5 * 60_000;
const AT_END_PX = 60;

export class MessagesView {
  #room = null;
  #keys = new Set(); // of what was shown last
  #missed = 0;
  #isAtEnd = true; // kept here, since asking the browser each time costs a layout
  #title = document.getElementById("room-name");
  #problem = document.getElementById("room-problem");
  #scroll = document.getElementById("scroll");
  #list = document.getElementById("messages");
  #empty = document.getElementById("messages-empty");
  #toEnd = document.getElementById("to-end");

  constructor() {
    this.#toEnd.addEventListener("click", () => this.#scrollToEnd());
    this.#scroll.addEventListener("scroll", () => {
      this.#isAtEnd = this.#distanceToEnd() < AT_END_PX;
      if (this.#isAtEnd) this.#showMissed(0);
    });
    new ResizeObserver(() => {
      if (this.#isAtEnd) this.#scrollToEnd();
    }).observe(this.#scroll);
  }

  update(chat) {
    const room = chat.current;
    const isOther = room !== this.#room;
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

    const added = items.filter(({ key }) => !this.#keys.has(key));
    this.#keys = new Set(items.map(({ key }) => key));
    if (added.length === 0) return;
    if (this.#isAtEnd || added.at(-1).message.isMine) this.#scrollToEnd();
    else this.#showMissed(this.#missed + added.length);
  }

  /** Draw everything anew: the language changed. */
  reset() {
    this.#room = null;
  }

  #open(room) {
    this.#room = room;
    this.#keys = new Set();
    this.#title.textContent = room.name;
    this.#isAtEnd = true;
    this.#list.replaceChildren();
    this.#showMissed(0);
  }

  #distanceToEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    return scrollHeight - scrollTop - clientHeight;
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
