/**
 * A client for Centrifugo and the embedded gateway, for any page: no build step, no dependency.
 *
 *     import { RealtimeClient } from "./client/client.js";
 *
 *     const client = new RealtimeClient("ws://localhost:8000/connection/websocket", { getToken });
 *     const room = client.subscribe("room:lobby");
 *     room.addEventListener("publication", (event) => console.log(event.detail.data));
 *     client.connect();
 *     client.publish("room:lobby", { text: "Hello" });
 *
 * The interface is described in docs/reference/javascript-client.md. It speaks JSON over WebSocket
 * and client-side subscriptions; deltas and server-side subscriptions are left out.
 */

import { Connection } from "./connection.js";
import { Outbox } from "./outbox.js";
import { emit } from "./protocol.js";
import { Subscription } from "./subscription.js";

export { GatewayError } from "./protocol.js";

const DEFAULTS = {
  outboxKey: "outbox",
  storage: undefined,
  retry: { minMs: 500, maxMs: 20_000 },
  timeoutMs: 5_000,
  maxPingDelayMs: 10_000,
  maxFrameBytes: 65_536, // Centrifugo's websocket.message_size_limit
};

/**
 * Events: `state` ({state, code, reason, retryAt}) and `outgoing` (an outbox entry that changed).
 */
export class RealtimeClient extends EventTarget {
  #connection;
  #outbox;
  #options;
  #subscriptions = new Map();
  #onOnline = () => this.reconnectNow();

  /**
   * @param {string} url of the gateway
   * @param {object} options
   * @param {() => Promise<string>} options.getToken fetches a connection token; it is called again
   *   before the last one expires. It rejects with `temporary: false` in the error to give up.
   * @param {Storage} [options.storage] keeps the outbox over a reload; usually localStorage
   * @param {string} [options.outboxKey] prefix in the storage; name the user in it
   * @param {{minMs: number, maxMs: number}} [options.retry] bounds of the back-off
   * @param {number} [options.timeoutMs] how long to wait for the answer to a command
   * @param {number} [options.maxPingDelayMs] how late a ping may be
   * @param {number} [options.maxFrameBytes] larger messages are refused without sending them
   */
  constructor(url, options) {
    super();
    this.#options = { ...DEFAULTS, ...options };
    this.#connection = new Connection(url, this.#options);
    this.#outbox = new Outbox({
      send: (channel, data) => this.#connection.call("publish", { channel, data }),
      retry: this.#options.retry,
      storage: this.#options.storage,
      key: this.#options.outboxKey,
    });
    this.#outbox.addEventListener("change", ({ detail }) => emit(this, "outgoing", detail));
    this.#connection.addEventListener("state", ({ detail }) => this.#stateChanged(detail));
    this.#connection.addEventListener("push", ({ detail }) => {
      this.#subscriptions.get(detail.channel)?.receive(detail);
    });
  }

  /** `disconnected`, `connecting` or `connected`. */
  get state() {
    return this.#connection.state;
  }

  /** Connect, and stay connected until disconnect() or until the gateway says not to come back. */
  connect() {
    // There is no such event outside a page.
    globalThis.addEventListener?.("online", this.#onOnline);
    this.#connection.connect();
  }

  /** Disconnect. Subscriptions and unsent messages wait for the next connect(). */
  disconnect() {
    globalThis.removeEventListener?.("online", this.#onOnline);
    this.#connection.disconnect();
  }

  /** Try again at once instead of waiting for the back-off. */
  reconnectNow() {
    this.#connection.reconnectNow();
  }

  /** Subscribe to a channel, now or as soon as connected. @returns {Subscription} */
  subscribe(channel) {
    let subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) {
      subscription = new Subscription(channel, this.#connection, this.#options.retry);
      this.#subscriptions.set(channel, subscription);
    }
    if (subscription.state === "unsubscribed") subscription.start();
    return subscription;
  }

  /**
   * Send a message, now or as soon as connected. An `id` is added to the data: the gateway's
   * answer to it may be lost, and the resend must be recognised.
   *
   * @param {string} channel
   * @param {object} data a JSON object
   * @returns {object} the outbox entry
   */
  publish(channel, data) {
    return this.#outbox.add(channel, data);
  }

  /** Messages that are not acknowledged yet, oldest first. */
  outgoing() {
    return this.#outbox.entries();
  }

  /** Send a refused message again. */
  retry(id) {
    this.#outbox.retry(id);
  }

  /** Forget a refused message. */
  discard(id) {
    this.#outbox.discard(id);
  }

  /** Call a method of the backend. @returns {Promise<any>} its data */
  async rpc(method, data) {
    return (await this.#connection.call("rpc", { method, data })).data;
  }

  #stateChanged(detail) {
    if (detail.state === "connected") {
      // Subscribed before sending: then a message sent now is also seen to arrive.
      for (const subscription of this.#subscriptions.values()) {
        if (subscription.state !== "unsubscribed") subscription.start();
      }
      this.#outbox.resume();
    } else {
      this.#outbox.pause();
    }
    emit(this, "state", detail);
  }
}
