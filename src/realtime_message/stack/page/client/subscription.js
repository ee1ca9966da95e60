/**
 * One channel: subscribed again after every reconnect, from where it was.
 */

import {
  LOCAL_ERROR,
  backoffDelay,
  emit,
  isTerminalUnsubscribe,
  isWorthRetrying,
} from "./protocol.js";

/**
 * Events, each with a `detail`:
 *
 * - `subscribed` {wasRecovering, recovered, epoch}: wasRecovering without recovered means that
 *   the gateway no longer had all that was missed.
 * - `publication` {data, user, offset, epoch, recovered}: recovered ones were missed before.
 * - `join`, `leave` {client, user, info}
 * - `unsubscribed` {code, reason}: for good.
 */
export class Subscription extends EventTarget {
  state = "unsubscribed";

  #connection;
  #retry;
  #position = null;
  #attempt = 0;
  #timer = 0;

  constructor(channel, connection, retry) {
    super();
    this.channel = channel;
    this.#connection = connection;
    this.#retry = retry;
  }

  /** Subscribe; RealtimeClient calls it after each connect. */
  start() {
    clearTimeout(this.#timer);
    this.state = "subscribing";
    if (this.#connection.state !== "connected") return; // started again once it is
    const recovery = this.#position === null ? {} : { recover: true, ...this.#position };
    this.#connection.send("subscribe", { channel: this.channel, ...recovery }, (error, reply) => {
      if (this.state !== "subscribing") {
        if (error === null) this.#leave(); // unsubscribed meanwhile
      } else if (error === null) this.#subscribed(reply);
      else if (error.code === LOCAL_ERROR.closed) return; // started again with the connection
      // Subscribing again to what it did hear would be refused: only a new connection is clear.
      else if (error.code === LOCAL_ERROR.timeout) this.#connection.restart(error.message);
      else if (isWorthRetrying(error)) this.#startLater();
      else this.end(error.code, error.message);
    });
  }

  /** Leave the channel. Subscribing again starts anew: nothing is recovered. */
  unsubscribe() {
    const wasSubscribed = this.state === "subscribed";
    this.end(0, "unsubscribe called");
    if (wasSubscribed) this.#leave();
  }

  /** Who is here: [{client, user, info}]. @returns {Promise<object[]>} */
  async presence() {
    const reply = await this.#connection.call("presence", { channel: this.channel });
    return Object.values(reply.presence ?? {}).map(toPerson);
  }

  /** The newest publications that the gateway keeps, oldest first. @returns {Promise<object[]>} */
  async history({ limit }) {
    const asked = { channel: this.channel, limit, reverse: true };
    const reply = await this.#connection.call("history", asked);
    const publications = (reply.publications ?? []).reverse();
    return publications.map((publication) => toPublication(publication, reply.epoch, false));
  }

  /** Take a push of this channel. */
  receive(push) {
    if (push.pub) this.#publish(push.pub, false);
    else if (push.join) emit(this, "join", toPerson(push.join.info));
    else if (push.leave) emit(this, "leave", toPerson(push.leave.info));
    else if (push.unsubscribe) {
      const { code, reason } = push.unsubscribe;
      if (isTerminalUnsubscribe(code)) this.end(code, reason);
      else this.start();
    }
  }

  /** Stop for good. */
  end(code, reason) {
    clearTimeout(this.#timer);
    if (this.state === "unsubscribed") return;
    this.state = "unsubscribed";
    this.#position = null;
    this.#attempt = 0;
    emit(this, "unsubscribed", { code, reason });
  }

  #subscribed(reply) {
    this.#attempt = 0;
    this.state = "subscribed";
    const epoch = reply.epoch ?? "";
    // After a recovery this is the position asked from; each publication then moves it.
    this.#position = reply.recoverable ? { epoch, offset: reply.offset ?? 0 } : null;
    const wasRecovering = reply.was_recovering === true;
    emit(this, "subscribed", { wasRecovering, recovered: reply.recovered === true, epoch });
    for (const publication of reply.publications ?? []) this.#publish(publication, true);
  }

  #publish(publication, recovered) {
    if (this.#position !== null && publication.offset) this.#position.offset = publication.offset;
    emit(this, "publication", toPublication(publication, this.#position?.epoch, recovered));
  }

  #startLater() {
    const delay = backoffDelay(this.#attempt++, this.#retry);
    this.#timer = setTimeout(() => this.start(), delay);
  }

  #leave() {
    this.#connection.send("unsubscribe", { channel: this.channel }, (error) => {
      if (error?.code === LOCAL_ERROR.timeout) this.#connection.restart(error.message);
    });
  }
}

function toPerson({ client, user, conn_info: info = {} }) {
  return { client, user, info };
}

function toPublication({ data, info, offset }, epoch = "", recovered) {
  return { data, user: info?.user ?? "", offset: offset ?? 0, epoch, recovered };
}
