/** One room as this tab knows it: its messages in the gateway's order, and who is here. */

import { People } from "./people.js";

const MAX_ROWS = 500;

export class Room {
  problem = ""; // why it cannot be read
  unread = 0;
  people = new People();
  rows = []; // messages and notes, oldest first

  #me;
  #ids = new Set();
  #sent = new Set(); // sender and client message id, of messages that have one
  #notes = 0;
  #epochs = []; // a new one begins when the gateway's history starts anew

  /**
   * @param {string} channel
   * @param {string} me my user id
   */
  constructor(channel, me) {
    this.channel = channel;
    this.name = channel.startsWith("room:") ? channel.slice("room:".length) : channel;
    this.#me = me;
  }

  /** Whether a message that I sent under this id is among the rows. */
  showsMine(clientMessageId) {
    return this.#sent.has(sentKey(this.#me, clientMessageId));
  }

  /** The message with an id, or undefined. */
  find(id) {
    return this.#ids.has(id) ? this.rows.find((row) => row.id === id) : undefined;
  }

  /**
   * Put a publication in its place.
   *
   * The same may come twice: by recovery and from the history, or as a resend that came so late
   * that it was stored as another message.
   *
   * @param {object} publication of the client
   * @returns {object | null} the message; null if it is known already, or not one
   */
  take({ data, offset, epoch, recovered }) {
    if (typeof data?.text !== "string" || typeof data.id !== "string") return null;
    const user = data.user?.id ?? "";
    const clientMessageId = data.clientMessageId ?? "";
    const sent = clientMessageId && sentKey(user, clientMessageId);
    if (this.#ids.has(data.id) || this.#sent.has(sent)) return null;
    const isMine = user === this.#me;
    const message = {
      kind: "message",
      // Mine are drawn in the place of the unsent one, so that it does not blink.
      key: (isMine && clientMessageId) || data.id,
      id: data.id,
      clientMessageId,
      user,
      name: data.user?.name || user || "?",
      isMine,
      text: data.text,
      at: Date.parse(data.timestamp) || Date.now(),
      recovered,
    };
    this.#ids.add(message.id);
    if (sent) this.#sent.add(sent);
    this.#insert(message, this.#place(epoch, offset));
    return message;
  }

  /** Say something to the reader at the end of what is here now. */
  addNote(textKey) {
    const key = `note-${this.#notes++}`;
    this.#insert({ kind: "note", key, textKey }, this.#place("", 0));
  }

  /** Where a publication belongs; without an offset, at the end of what is here. */
  #place(epoch, offset) {
    const last = this.rows.at(-1)?.place ?? { epoch: 0, offset: 0 };
    if (!offset) return last;
    if (!this.#epochs.includes(epoch)) this.#epochs.push(epoch);
    return { epoch: this.#epochs.indexOf(epoch), offset };
  }

  #insert(row, place) {
    row.place = place;
    let index = this.rows.length;
    while (index > 0 && isBefore(place, this.rows[index - 1].place)) index--;
    this.rows.splice(index, 0, row);
    if (this.rows.length > MAX_ROWS) this.#forget(this.rows.shift());
  }

  #forget(row) {
    this.#ids.delete(row.id);
    if (row.clientMessageId) this.#sent.delete(sentKey(row.user, row.clientMessageId));
  }
}

function sentKey(user, clientMessageId) {
  return `${user}/${clientMessageId}`;
}

function isBefore(one, other) {
  return (one.epoch - other.epoch || one.offset - other.offset) < 0;
}
