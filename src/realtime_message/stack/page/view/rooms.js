/** The list of rooms, and the form that adds one. */

import { t } from "../preferences.js";
import { recall, remember } from "../storage.js";
import { element, icon, spoken, updateList } from "./dom.js";

const ADDED = "rtm.rooms"; // rooms that the reader added, as JSON
const ROOM_NAME = /^[!-~]{1,200}$/; // what Centrifugo takes in a channel name: ASCII, no spaces

/** The channel of a room name: `lobby` is room:lobby, a name with a colon is a channel itself. */
export function channelOf(name) {
  return name.includes(":") ? name : `room:${name}`;
}

/** The rooms that the reader added earlier. */
export function addedRooms() {
  try {
    const channels = JSON.parse(recall(ADDED) ?? "[]");
    return channels.filter((channel) => typeof channel === "string");
  } catch {
    return [];
  }
}

export class RoomsView {
  #chat;
  #given;
  #onOpen;
  #list = document.getElementById("rooms");
  #form = document.getElementById("add-room");
  #input = document.getElementById("add-room-name");
  #problem = document.getElementById("add-room-problem");
  #tabUnread = document.getElementById("tab-unread");

  /**
   * @param {string[]} given channels that are always there
   * @param {() => void} onOpen called when the reader opened a room
   */
  constructor(given, onOpen) {
    this.#given = given;
    this.#onOpen = onOpen;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#add(this.#input.value.trim());
    });
    this.#input.addEventListener("input", () => this.#complain(""));
  }

  update(chat) {
    this.#chat = chat;
    const rooms = [...chat.rooms.values()].map((room) => ({ key: room.channel, room }));
    updateList(this.#list, rooms, ({ room }) => this.#create(room), (node, { room }) => {
      this.#refresh(node, room);
    });
    const unread = [...chat.rooms.values()].reduce((sum, room) => sum + room.unread, 0);
    this.#tabUnread.hidden = unread === 0;
    this.#tabUnread.textContent = String(unread);
    document.title = unread ? `(${unread}) ${t("title")}` : t("title");
  }

  #create(room) {
    const open = element("button", { type: "button", class: "room", onclick: () => {
      this.#chat.open(room.channel);
      this.#onOpen();
    } });
    const item = element("li", {}, open);
    if (!this.#given.includes(room.channel)) {
      const leave = () => this.#leave(room.channel);
      item.append(element("button", { type: "button", class: "leave", onclick: leave }, icon("x")));
    }
    return item;
  }

  #refresh(item, room) {
    const isOpen = room === this.#chat.current;
    const partition = this.#chat.receipts.partitionOf(room.channel);
    const state = [isOpen, room.unread, room.problem, partition, t("rooms")].join("|");
    if (item.dataset.state === state) return;
    item.dataset.state = state;
    const [open, leave] = item.children;
    open.classList.toggle("unread", room.unread > 0);
    if (isOpen) open.setAttribute("aria-current", "true");
    else open.removeAttribute("aria-current");
    open.replaceChildren(icon(room.problem ? "lock" : "hash"));
    open.append(element("span", { class: "room-name" }, room.name));
    if (partition !== undefined) open.append(this.#partitionTag(partition));
    if (room.unread) open.append(this.#unreadTag(room.unread));
    leave?.setAttribute("aria-label", t("rooms.leave", { room: room.name }));
  }

  #partitionTag(partition) {
    const label = t("rooms.partition", { partition });
    return element("span", { class: "tag", title: label }, `p${partition}`);
  }

  #unreadTag(count) {
    const number = element("span", { "aria-hidden": "true" }, String(count));
    return element("span", { class: "badge" }, number, spoken(t("rooms.unread", { count })));
  }

  #add(name) {
    if (!ROOM_NAME.test(name)) {
      this.#complain(t("rooms.invalid"));
      return;
    }
    const channel = channelOf(name);
    if (!this.#given.includes(channel)) this.#rememberRooms([...addedRooms(), channel]);
    this.#chat.enter(channel);
    this.#chat.open(channel);
    this.#form.reset();
    this.#onOpen();
  }

  #leave(channel) {
    this.#rememberRooms(addedRooms().filter((added) => added !== channel));
    this.#chat.leave(channel);
    this.update(this.#chat); // the button that has the focus goes away; another one takes it
    this.#list.querySelector("[aria-current]")?.focus();
  }

  #rememberRooms(channels) {
    remember(ADDED, JSON.stringify([...new Set(channels)]));
  }

  #complain(text) {
    this.#problem.textContent = text;
    this.#input.setAttribute("aria-invalid", String(text !== ""));
  }
}
