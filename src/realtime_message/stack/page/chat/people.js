/** Who is in a room: the gateway's list, and those who came and went since. */

export class People {
  #connections = new Map(); // connection -> {user, name}
  #changes = null; // told while the list was on its way: [apply, person]

  /** Ask for the whole list; what is told until it arrives is applied after it. */
  async load(subscription) {
    this.#changes = [];
    const changes = this.#changes;
    const list = await subscription.presence();
    if (this.#changes !== changes) return; // asked again meanwhile
    this.#changes = null;
    this.clear();
    for (const person of list) this.#add(person);
    for (const [apply, person] of changes) apply(person);
  }

  join(person) {
    this.#apply((joined) => this.#add(joined), person);
  }

  leave(person) {
    this.#apply((left) => this.#connections.delete(left.client), person);
  }

  clear() {
    this.#connections.clear();
  }

  /** Each person once, by name: [{user, name, connections}]. */
  byUser() {
    const users = new Map();
    for (const { user, name } of this.#connections.values()) {
      const connections = (users.get(user)?.connections ?? 0) + 1;
      users.set(user, { user, name, connections });
    }
    return [...users.values()].sort((one, other) => one.name.localeCompare(other.name));
  }

  #apply(apply, person) {
    apply(person);
    this.#changes?.push([apply, person]);
  }

  #add({ client, user, info }) {
    this.#connections.set(client, { user, name: info?.name || user || "?" });
  }
}
