/** What the workers said they did: the rows of the live panel and its counts. */

const MAX_ROWS = 100;
const MAX_KNOWN = 2000;
const DONE = new Set(["ack", "skip", "unhandled"]); // the message will not be delivered again

export class Receipts {
  rows = []; // newest first
  counts = new Map(); // partition -> number of handled messages
  handled = 0;
  retries = 0;
  deadLetters = 0;

  #known = new Set();
  #latest = new Map(); // message id -> its last receipt
  #partitions = new Map(); // channel -> partition
  #ages = [];

  /**
   * Take a publication of the receipts channel: one receipt, or a list under `receipts`.
   *
   * After a reconnect the same may come twice.
   */
  take({ data }) {
    for (const receipt of data?.receipts ?? [data]) {
      if (typeof receipt?.id === "string") this.#add(receipt);
    }
  }

  /** The last receipt of a message, or undefined. */
  of(messageId) {
    return this.#latest.get(messageId);
  }

  /** The partition of a channel, or undefined as long as no message of it was handled. */
  partitionOf(channel) {
    return this.#partitions.get(channel);
  }

  /** The middle one of the latest times from sending to handled, in milliseconds, or undefined. */
  medianAgeMs() {
    const sorted = [...this.#ages].sort((one, other) => one - other);
    return sorted[Math.floor(sorted.length / 2)];
  }

  #add(receipt) {
    const { id, channel, partition, worker, attempt, outcome } = receipt;
    const key = `${id}/${worker}/${attempt}/${outcome}`;
    if (this.#known.has(key)) return;
    remember(this.#known, key);
    this.rows.unshift({ ...receipt, key });
    if (this.rows.length > MAX_ROWS) this.rows.pop();
    // A retry that is told late does not undo what was told about the later attempt.
    if (attempt >= (this.#latest.get(id)?.attempt ?? 0)) remember(this.#latest, id, receipt);
    this.#partitions.set(channel, partition);
    if (outcome === "retry") this.retries++;
    if (outcome === "dead_letter") this.deadLetters++;
    if (!DONE.has(outcome)) return;
    this.handled++;
    this.counts.set(partition, (this.counts.get(partition) ?? 0) + 1);
    this.#ages.push(receipt.age_ms);
    if (this.#ages.length > MAX_ROWS) this.#ages.shift();
  }
}

/** Add to a Set or Map, and forget the oldest beyond MAX_KNOWN. */
function remember(collection, key, value) {
  if (collection instanceof Map) collection.set(key, value);
  else collection.add(key);
  if (collection.size > MAX_KNOWN) collection.delete(collection.keys().next().value);
}
