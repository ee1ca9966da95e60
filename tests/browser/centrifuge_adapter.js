/**
 * The page's client interface on the official JavaScript client, so that one set of flows runs on
 * both. A test serves it as client/client.js, and the official client's browser build beside it.
 */

import "./centrifuge.js"; // sets globalThis.Centrifuge
import { Outbox } from "./outbox.js";
import { GatewayError, emit } from "./protocol.js";

export { GatewayError };

const RETRY = { minMs: 500, maxMs: 20_000 };

export class RealtimeClient extends EventTarget {
  #centrifuge;
  #outbox;
  #subscriptions = new Map();

  constructor(url, { getToken, storage, outboxKey }) {
    super();
    this.#centrifuge = new globalThis.Centrifuge(url, { getToken });
    this.#outbox = new Outbox({
      send: (channel, data) => this.#centrifuge.publish(channel, data).catch(rethrow),
      retry: RETRY,
      storage,
      key: outboxKey,
    });
    this.#outbox.addEventListener("change", ({ detail }) => emit(this, "outgoing", detail));
    for (const state of ["connecting", "connected", "disconnected"]) {
      this.#centrifuge.on(state, ({ code, reason }) => this.#changed({ state, code, reason }));
    }
  }

  get state() {
    return this.#centrifuge.state;
  }

  connect() {
    this.#centrifuge.connect();
  }

  disconnect() {
    this.#centrifuge.disconnect();
  }

  reconnectNow() {}

  subscribe(channel) {
    let subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) {
      subscription = new Subscription(channel, this.#centrifuge);
      this.#subscriptions.set(channel, subscription);
    }
    subscription.start();
    return subscription;
  }

  publish(channel, data) {
    return this.#outbox.add(channel, data);
  }

  outgoing() {
    return this.#outbox.entries();
  }

  retry(id) {
    this.#outbox.retry(id);
  }

  discard(id) {
    this.#outbox.discard(id);
  }

  #changed(detail) {
    if (detail.state === "connected") this.#outbox.resume();
    else this.#outbox.pause();
    emit(this, "state", detail);
  }
}

class Subscription extends EventTarget {
  #centrifuge;
  #subscription = null;
  #epoch = "";
  #isRecovering = false;

  constructor(channel, centrifuge) {
    super();
    this.channel = channel;
    this.#centrifuge = centrifuge;
  }

  start() {
    if (this.#subscription !== null) return;
    const subscription = this.#centrifuge.newSubscription(this.channel);
    this.#subscription = subscription;
    subscription.on("subscribed", (context) => this.#subscribed(context));
    subscription.on("publication", (publication) => {
      emit(this, "publication", this.#convert(publication, this.#isRecovering));
    });
    subscription.on("join", ({ info }) => emit(this, "join", toPerson(info)));
    subscription.on("leave", ({ info }) => emit(this, "leave", toPerson(info)));
    subscription.on("unsubscribed", ({ code, reason }) => {
      this.#forget();
      emit(this, "unsubscribed", { code, reason });
    });
    subscription.subscribe();
  }

  unsubscribe() {
    this.#subscription?.unsubscribe();
  }

  async presence() {
    const { clients } = await this.#subscription.presence();
    return Object.values(clients).map(toPerson);
  }

  async history({ limit }) {
    const { publications } = await this.#subscription.history({ limit, reverse: true });
    return publications.reverse().map((publication) => this.#convert(publication, false));
  }

  #subscribed({ wasRecovering, recovered, streamPosition }) {
    this.#epoch = streamPosition?.epoch ?? "";
    // It tells the recovered publications right after this, in the same task.
    this.#isRecovering = recovered;
    queueMicrotask(() => {
      this.#isRecovering = false;
    });
    emit(this, "subscribed", { wasRecovering, recovered, epoch: this.#epoch });
  }

  #forget() {
    if (this.#subscription !== null) this.#centrifuge.removeSubscription(this.#subscription);
    this.#subscription = null;
  }

  #convert({ data, info, offset }, recovered) {
    const user = info?.user ?? "";
    return { data, user, offset: offset ?? 0, epoch: this.#epoch, recovered };
  }
}

function toPerson({ client, user, connInfo = {} }) {
  return { client, user, info: connInfo };
}

function rethrow({ code, message, temporary }) {
  // Its own codes, below 100, are time-outs and lost connections.
  throw new GatewayError(code, message, temporary === true || code < 100);
}
