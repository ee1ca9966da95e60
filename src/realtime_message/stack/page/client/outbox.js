/**
 * Messages on their way out: kept until the gateway has acknowledged them, also over a reload.
 *
 * Within a channel they go one after the other, each after the answer to the one before it, so a
 * resend can never overtake. A message keeps its id in every resend, by which the callback
 * service recognises it.
 */

import { backoffDelay, emit, newId } from "./protocol.js";

/**
 * An entry: {id, channel, data, state, error}; state is
 *
 * - `sending`: not acknowledged yet; it is tried again until it is,
 * - `sent`: acknowledged, and gone from the outbox,
 * - `refused`: the answer was a permanent error, {code, message} in `error`; it is kept until
 *   retry() or discard(),
 * - `discarded`: gone by discard().
 *
 * Events: `change`, with the entry as `detail`.
 */
export class Outbox extends EventTarget {
  #send;
  #retry;
  #store;
  #lines = new Map(); // channel -> {queue, busy, attempt, timer}
  #entries = new Map(); // id -> entry, in the order of sending
  #open = false;

  /**
   * @param {{send: (channel: string, data: object) => Promise<unknown>,
   *   retry: {minMs: number, maxMs: number}, storage?: Storage, key: string}} options
   *   `send` rejects with an error whose `temporary` says whether to try again; `key` is the
   *   storage's prefix, which should name the user.
   */
  constructor({ send, retry, storage, key }) {
    super();
    this.#send = send;
    this.#retry = retry;
    this.#store = new EntryStore(storage, key);
    for (const entry of this.#store.load()) {
      this.#entries.set(entry.id, entry);
      if (entry.state === "sending") this.#lineOf(entry.channel).queue.push(entry);
    }
  }

  /** What is not acknowledged yet, oldest first. */
  entries() {
    return [...this.#entries.values()];
  }

  /** Keep a message and send it as soon as it is its turn. */
  add(channel, data) {
    if (data === null || typeof data !== "object" || Array.isArray(data)) {
      throw new TypeError("a message is a JSON object: its id is added to it");
    }
    const id = newId();
    const entry = { id, channel, data: { ...data, id }, state: "sending", order: this.#nextOrder() };
    this.#enqueue(entry);
    return entry;
  }

  /** Send a refused message once more, after all others of its channel. */
  retry(id) {
    const entry = this.#entries.get(id);
    if (entry?.state !== "refused") return;
    this.#entries.delete(id);
    entry.state = "sending";
    entry.order = this.#nextOrder();
    delete entry.error;
    this.#enqueue(entry);
  }

  /** Forget a refused message. */
  discard(id) {
    const entry = this.#entries.get(id);
    if (entry?.state === "refused") this.#settle(entry, "discarded");
  }

  /** The connection is there: send what waits. */
  resume() {
    this.#open = true;
    for (const line of this.#lines.values()) {
      line.attempt = 0;
      this.#next(line);
    }
  }

  /** The connection is gone: keep everything until resume(). */
  pause() {
    this.#open = false;
    for (const line of this.#lines.values()) clearTimeout(line.timer);
  }

  #nextOrder() {
    const last = Math.max(0, ...[...this.#entries.values()].map((entry) => entry.order));
    return Math.max(Date.now(), last + 1);
  }

  #enqueue(entry) {
    this.#entries.set(entry.id, entry);
    this.#store.save(entry);
    const line = this.#lineOf(entry.channel);
    line.queue.push(entry);
    emit(this, "change", entry);
    this.#next(line);
  }

  #lineOf(channel) {
    if (!this.#lines.has(channel)) {
      this.#lines.set(channel, { queue: [], busy: false, attempt: 0, timer: 0 });
    }
    return this.#lines.get(channel);
  }

  async #next(line) {
    clearTimeout(line.timer);
    if (!this.#open || line.busy || line.queue.length === 0) return;
    const entry = line.queue[0];
    line.busy = true;
    const error = await this.#trySending(entry);
    line.busy = false;
    if (error?.temporary) {
      const delay = backoffDelay(line.attempt++, this.#retry);
      line.timer = setTimeout(() => this.#next(line), delay);
      return;
    }
    line.queue.shift();
    line.attempt = 0;
    if (error === null) this.#settle(entry, "sent");
    else this.#refuse(entry, error);
    this.#next(line);
  }

  async #trySending(entry) {
    try {
      await this.#send(entry.channel, entry.data);
      return null;
    } catch (error) {
      return error;
    }
  }

  #refuse(entry, { code, message }) {
    entry.state = "refused";
    entry.error = { code, message };
    this.#store.save(entry);
    emit(this, "change", entry);
  }

  #settle(entry, state) {
    entry.state = state;
    this.#entries.delete(entry.id);
    this.#store.remove(entry.id);
    emit(this, "change", entry);
  }
}

/** One item of the storage for each entry; without a storage they live as long as the page. */
class EntryStore {
  #storage;
  #prefix;

  constructor(storage, key) {
    this.#storage = storage;
    this.#prefix = `${key}:`;
  }

  load() {
    const entries = [];
    for (const name of this.#names()) {
      const entry = parseEntry(this.#storage.getItem(name));
      if (entry === null) this.#storage.removeItem(name);
      else entries.push(entry);
    }
    return entries.sort((one, other) => one.order - other.order);
  }

  save(entry) {
    try {
      this.#storage?.setItem(this.#prefix + entry.id, JSON.stringify(entry));
    } catch {
      // Full or forbidden: the entry is still sent, it just does not outlive the page.
    }
  }

  remove(id) {
    this.#storage?.removeItem(this.#prefix + id);
  }

  #names() {
    const storage = this.#storage;
    if (!storage) return [];
    const names = Array.from({ length: storage.length }, (_, index) => storage.key(index));
    return names.filter((name) => name.startsWith(this.#prefix));
  }
}

/** The entry that a text holds, or null if it holds none. */
function parseEntry(text) {
  try {
    const entry = JSON.parse(text);
    const isWhole = entry.id && entry.channel && entry.data && entry.order;
    return isWhole && ["sending", "refused"].includes(entry.state) ? entry : null;
  } catch {
    return null;
  }
}
