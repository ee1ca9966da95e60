/**
 * The chat of one person in this tab: rooms, receipts and unsent messages, kept up to date by the
 * client. It knows nothing of the document; views read it after `change`.
 */

import { RealtimeClient } from "../client/client.js";
import { emit } from "../client/protocol.js";
import { deviceStorage } from "../storage.js";
import { Receipts } from "./receipts.js";
import { Room } from "./room.js";

const ROOM_HISTORY = { limit: 50 };
const RECEIPTS_HISTORY = { limit: 100 };

/** Events: `change` (anything), `arrived` ({room, message}: someone else's, just now). */
export class Chat extends EventTarget {
  rooms = new Map(); // channel -> Room
  current = null; // the room that is open
  receipts = new Receipts();
  connection = { state: "connecting", code: 0, reason: "" };

  #client;
  #unsettled = new Map(); // id -> outbox entry, until it is acknowledged and seen in its room

  /**
   * @param {{gateway_url: string, receipts_channel: string}} config
   * @param {{name: string, user: string, getToken: () => Promise<string>}} me
   */
  constructor(config, me) {
    super();
    this.me = me;
    this.#client = new RealtimeClient(config.gateway_url, {
      getToken: me.getToken,
      storage: deviceStorage,
      outboxKey: `rtm.outbox.${me.user}`,
    });
    for (const entry of this.#client.outgoing()) this.#unsettled.set(entry.id, entry);
    this.#on(this.#client, "outgoing", (entry) => this.#outgoing(entry));
    this.#on(this.#client, "state", (state) => {
      this.connection = state;
    });
    const receipts = config.receipts_channel; // none: the workers do not tell
    if (receipts) this.#followReceipts(this.#client.subscribe(receipts));
  }

  start() {
    this.#client.connect();
  }

  stop() {
    this.#client.disconnect();
  }

  /** Try again at once; also after the gateway ended the connection for good. */
  reconnect() {
    if (this.connection.state === "disconnected") this.#client.connect();
    else this.#client.reconnectNow();
  }

  /** Enter a room, unless this tab is in it. */
  enter(channel) {
    if (this.rooms.has(channel)) return;
    const room = new Room(channel, this.me.user);
    room.subscription = this.#client.subscribe(channel);
    this.rooms.set(channel, room);
    this.#followRoom(room);
    emit(this, "change");
  }

  /** Open a room that was entered. */
  open(channel) {
    this.current = this.rooms.get(channel);
    this.markRead();
  }

  /** What is in the open room has been seen. */
  markRead() {
    if (this.current !== null) this.current.unread = 0;
    emit(this, "change");
  }

  /** Leave a room; if it was open, the first of the others is. */
  leave(channel) {
    this.rooms.get(channel).subscription.unsubscribe();
    this.rooms.delete(channel);
    if (this.current.channel === channel) this.open(this.rooms.keys().next().value);
    emit(this, "change");
  }

  /** Send a text to the open room. */
  send(text) {
    this.#client.publish(this.current.channel, { text });
  }

  retry(id) {
    this.#client.retry(id);
  }

  discard(id) {
    this.#client.discard(id);
  }

  /** The outbox entry of a message that is mine, or undefined once all is well. */
  entryOf(message) {
    return message.isMine ? this.#unsettled.get(message.clientMessageId) : undefined;
  }

  /** My messages to a room that are not seen in it yet. */
  unseenIn(room) {
    const entries = [...this.#unsettled.values()];
    return entries.filter(({ id, channel }) => channel === room.channel && !room.showsMine(id));
  }

  #followRoom(room) {
    const on = (type, react) => {
      this.#on(room.subscription, type, (detail) => {
        if (this.rooms.get(room.channel) === room) react(detail); // else it was left
      });
    };
    on("publication", (publication) => this.#published(room, publication));
    on("join", (person) => room.people.join(person));
    on("leave", (person) => room.people.leave(person));
    on("subscribed", (how) => this.#subscribed(room, how));
    on("unsubscribed", ({ reason }) => {
      room.problem = reason;
      room.people.clear();
    });
  }

  #subscribed(room, { wasRecovering, recovered }) {
    room.problem = "";
    if (wasRecovering && !recovered) room.addNote("messages.unrecovered");
    if (!recovered) {
      this.#recall(room.subscription, ROOM_HISTORY, (publication) => {
        const message = room.take(publication);
        if (message !== null) this.#settle(message.clientMessageId, room);
      });
    }
    // Without presence in the gateway's configuration the list stays empty.
    room.people.load(room.subscription).then(
      () => emit(this, "change"),
      () => {},
    );
  }

  #published(room, publication) {
    const message = room.take(publication);
    if (message === null) return;
    this.#settle(message.clientMessageId, room);
    if (message.isMine) return;
    if (room !== this.current || document.hidden) room.unread++;
    emit(this, "arrived", { room, message });
  }

  #followReceipts(subscription) {
    const take = (publication) => this.receipts.take(publication);
    this.#on(subscription, "publication", take);
    this.#on(subscription, "subscribed", ({ recovered }) => {
      if (!recovered) this.#recall(subscription, RECEIPTS_HISTORY, take);
    });
  }

  /** Take what was published before; a gateway without history has nothing to tell. */
  async #recall(subscription, options, take) {
    const publications = await subscription.history(options).catch(() => []);
    for (const publication of publications) take(publication);
    emit(this, "change");
  }

  #outgoing(entry) {
    if (entry.state === "discarded") this.#unsettled.delete(entry.id);
    else this.#unsettled.set(entry.id, entry);
    const room = this.rooms.get(entry.channel);
    if (room !== undefined) this.#settle(entry.id, room);
  }

  #settle(id, room) {
    const isSent = this.#unsettled.get(id)?.state === "sent";
    if (isSent && room.showsMine(id)) this.#unsettled.delete(id);
  }

  #on(target, type, react) {
    target.addEventListener(type, ({ detail }) => {
      react(detail);
      emit(this, "change");
    });
  }
}
