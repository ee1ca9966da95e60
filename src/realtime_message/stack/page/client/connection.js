/**
 * One connection to the gateway that comes back by itself: socket, commands, pings, token.
 */

import {
  GatewayError,
  LOCAL_ERROR,
  backoffDelay,
  emit,
  isTerminalClose,
  isWorthRetrying,
  parseFrame,
  wantsNewToken,
} from "./protocol.js";

const PONG = "{}";
const MAX_TIMER_MS = 2 ** 31 - 1;

/**
 * Events: `state` ({state, code, reason, retryAt}) and `push` (a push of the protocol).
 *
 * Replies reach their callback at once, not in a later task: a frame may hold a subscribe reply
 * and the channel's next publication, and they must be seen in this order.
 */
export class Connection extends EventTarget {
  state = "disconnected";

  #url;
  #options;
  #socket = null;
  #token = null;
  #round = 0; // grows with each attempt and each end, so that a late token finds out
  #attempt = 0;
  #nextId = 1;
  #callbacks = new Map();
  #retryTimer = 0;
  #refreshTimer = 0;
  #silenceTimer = 0;
  #silenceMs = 0;
  #answersPings = false;

  /**
   * @param {string} url
   * @param {{getToken: () => Promise<string>, retry: {minMs: number, maxMs: number},
   *   timeoutMs: number, maxPingDelayMs: number, maxFrameBytes: number}} options
   */
  constructor(url, options) {
    super();
    this.#url = url;
    this.#options = options;
  }

  /** Start; afterwards the connection is kept up until disconnect() or a terminal code. */
  connect() {
    if (this.state !== "disconnected") return;
    this.#attempt = 0;
    this.#token = null; // the last one may be why it ended
    this.#open();
  }

  /** End; nothing is tried again. */
  disconnect() {
    if (this.state !== "disconnected") this.#end(0, "disconnect called");
  }

  /** Do not wait for the next attempt. */
  reconnectNow() {
    if (this.state === "connecting" && this.#retryTimer) {
      this.#attempt = 0;
      this.#open();
    }
  }

  /** Start over: the gateway's idea of this connection is not known any more. */
  restart(reason) {
    if (this.state === "connected") this.#retryLater(LOCAL_ERROR.timeout, reason);
  }

  /**
   * Send one command.
   *
   * @param {string} method as the protocol names it
   * @param {object} parameters
   * @param {(error: GatewayError | null, result?: object) => void} callback called once
   */
  send(method, parameters, callback) {
    if (this.#socket?.readyState !== WebSocket.OPEN) {
      callback(new GatewayError(LOCAL_ERROR.closed, "not connected", true));
      return;
    }
    const id = this.#nextId++;
    const frame = JSON.stringify({ id, [method]: parameters });
    if (new TextEncoder().encode(frame).length > this.#options.maxFrameBytes) {
      callback(new GatewayError(LOCAL_ERROR.tooLarge, "the message is too large"));
      return;
    }
    const timer = setTimeout(() => {
      this.#callbacks.delete(id);
      callback(new GatewayError(LOCAL_ERROR.timeout, "no answer in time", true));
    }, this.#options.timeoutMs);
    this.#callbacks.set(id, (error, reply) => {
      clearTimeout(timer);
      callback(error, reply?.[method]);
    });
    this.#socket.send(frame);
  }

  /** Like send(), as a promise. */
  call(method, parameters) {
    return new Promise((resolve, reject) => {
      this.send(method, parameters, (error, result) => (error ? reject(error) : resolve(result)));
    });
  }

  async #open() {
    this.#cancelRetry();
    this.#become("connecting", { code: 0, reason: "" });
    const round = ++this.#round;
    try {
      this.#token ??= await this.#options.getToken();
    } catch (error) {
      if (round !== this.#round) return;
      if (error.temporary === false) this.#end(LOCAL_ERROR.token, error.message);
      else this.#retryLater(LOCAL_ERROR.token, error.message);
      return;
    }
    if (round === this.#round) this.#openSocket();
  }

  #openSocket() {
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    // A gateway that never completes the handshake is given up like one that refuses it.
    this.#watchSilence(this.#options.timeoutMs);
    socket.onopen = () => this.#greet();
    socket.onmessage = (event) => this.#read(event.data);
    socket.onclose = (event) => this.#closed(event.code, event.reason);
  }

  #greet() {
    this.send("connect", { token: this.#token, name: "js" }, (error, result) => {
      if (error === null) this.#greeted(result);
      else if (error.code === LOCAL_ERROR.closed) return; // onclose has the cause
      else {
        if (wantsNewToken(error)) this.#token = null;
        // After refusing to connect the gateway ignores whatever else comes on this socket.
        if (isWorthRetrying(error)) this.#retryLater(error.code, error.message);
        else this.#end(error.code, error.message);
      }
    });
  }

  #greeted(result) {
    this.#attempt = 0;
    this.#answersPings = result.pong === true;
    const pingMs = (result.ping ?? 0) * 1000;
    this.#watchSilence(pingMs ? pingMs + this.#options.maxPingDelayMs : 0);
    this.#planRefresh(result);
    this.#become("connected", { code: 0, reason: "", client: result.client });
  }

  #read(text) {
    this.#watchSilence(this.#silenceMs);
    let messages;
    try {
      messages = parseFrame(text);
    } catch {
      this.#retryLater(0, "the gateway sent something that is not JSON");
      return;
    }
    for (const message of messages) {
      if (this.#socket === null) return; // one before it ended the connection
      this.#receive(message);
    }
  }

  #receive(message) {
    if (message.id) {
      const callback = this.#callbacks.get(message.id);
      this.#callbacks.delete(message.id);
      const error = message.error ? GatewayError.fromReply(message.error) : null;
      callback?.(error, message); // none: the answer came after its time-out
    } else if (message.push?.refresh) {
      this.#planRefresh(message.push.refresh);
    } else if (message.push) {
      emit(this, "push", message.push);
    } else if (this.#answersPings && this.#socket?.readyState === WebSocket.OPEN) {
      this.#socket.send(PONG);
    }
  }

  #planRefresh({ expires, ttl }) {
    clearTimeout(this.#refreshTimer);
    if (!expires) return;
    const delay = Math.min(ttl * 1000, MAX_TIMER_MS);
    this.#refreshTimer = setTimeout(() => this.#refresh(0), delay);
  }

  async #refresh(attempt) {
    const socket = this.#socket;
    try {
      this.#token = await this.#options.getToken();
      if (this.#socket !== socket) return; // the next connect uses the new token
      this.#planRefresh(await this.call("refresh", { token: this.#token }));
    } catch (error) {
      if (this.#socket !== socket || this.state !== "connected") return;
      if (error.temporary === false) {
        this.#end(error.code ?? LOCAL_ERROR.token, error.message);
        return;
      }
      const delay = backoffDelay(attempt, this.#options.retry);
      this.#refreshTimer = setTimeout(() => this.#refresh(attempt + 1), delay);
    }
  }

  #watchSilence(ms) {
    clearTimeout(this.#silenceTimer);
    this.#silenceMs = ms;
    if (ms) this.#silenceTimer = setTimeout(() => this.#closed(0, "no sign of life"), ms);
  }

  #closed(code, reason) {
    if (isTerminalClose(code)) this.#end(code, reason || "message too large");
    else this.#retryLater(code, reason);
  }

  #retryLater(code, reason) {
    this.#dropSocket();
    this.#cancelRetry();
    const delay = backoffDelay(this.#attempt++, this.#options.retry);
    this.#retryTimer = setTimeout(() => this.#open(), delay);
    this.#failCommands();
    this.#become("connecting", { code, reason, retryAt: Date.now() + delay });
  }

  #end(code, reason) {
    this.#dropSocket();
    this.#cancelRetry();
    this.#failCommands();
    this.#become("disconnected", { code, reason });
  }

  #cancelRetry() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = 0;
  }

  #failCommands() {
    const callbacks = [...this.#callbacks.values()];
    this.#callbacks.clear();
    for (const callback of callbacks) {
      callback(new GatewayError(LOCAL_ERROR.closed, "connection closed", true));
    }
  }

  #dropSocket() {
    this.#round++;
    clearTimeout(this.#refreshTimer);
    this.#watchSilence(0);
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    // Closing a dead connection can take minutes; its events concern nobody any more.
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  #become(state, detail) {
    this.state = state;
    emit(this, "state", { state, ...detail });
  }
}
