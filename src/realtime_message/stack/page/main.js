/** Puts the page together: configuration, person, chat, views. */

import { Chat } from "./chat/chat.js";
import { applyPreferences, t } from "./preferences.js";
import { rememberedName, signIn } from "./session.js";
import { Announcer } from "./view/announcer.js";
import { Composer } from "./view/composer.js";
import { Header } from "./view/header.js";
import { LivePanel } from "./view/live_panel.js";
import { MessagesView } from "./view/messages.js";
import { NameDialog } from "./view/name_dialog.js";
import { Panes } from "./view/panes.js";
import { PeopleView } from "./view/people.js";
import { RoomsView, addedRooms } from "./view/rooms.js";

class Page {
  #config;
  #chat = null;
  #isDue = false;
  #panes = new Panes();
  #dialog = new NameDialog();
  #announcer = new Announcer();
  #messages = new MessagesView();
  #composer = new Composer();
  #live = new LivePanel();
  #views;

  constructor(config) {
    this.#config = config;
    const rooms = new RoomsView(config.rooms, () => this.#roomOpened());
    const header = new Header({
      onName: () => this.#changeName(),
      onLanguage: () => this.#redraw(),
    });
    this.#views = [header, rooms, new PeopleView(), this.#messages, this.#composer, this.#live];
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.#chat?.markRead();
    });
  }

  async start() {
    const name = rememberedName();
    const person = name === null ? null : await signIn(name).catch(() => null);
    this.#use(person ?? (await this.#dialog.ask(null)));
  }

  #use(person) {
    this.#chat?.stop();
    const open = this.#chat?.current.channel ?? this.#config.rooms[0];
    const chat = new Chat(this.#config, person);
    this.#chat = chat;
    for (const channel of [...this.#config.rooms, ...addedRooms()]) chat.enter(channel);
    chat.open(open);
    this.#redraw();
    document.getElementById("columns").inert = false; // there is someone to write now
    chat.addEventListener("change", () => this.#updateSoon());
    chat.addEventListener("arrived", ({ detail: { room, message } }) => {
      if (room === chat.current) this.#announcer.message(message);
    });
    chat.start();
    this.#composer.focus();
  }

  async #changeName() {
    const person = await this.#dialog.ask(this.#chat.me.name);
    if (person !== null) this.#use(person);
  }

  #roomOpened() {
    this.#panes.show("room");
    this.#composer.focus();
  }

  #redraw() {
    this.#messages.reset();
    this.#live.reset();
    this.#update();
  }

  /** Once for all changes of one task, also in a tab in the background. */
  #updateSoon() {
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => this.#update());
  }

  #update() {
    this.#isDue = false;
    for (const view of this.#views) view.update(this.#chat);
    this.#announcer.connection(this.#chat.connection);
  }
}

async function loadConfig() {
  const response = await fetch("config.json");
  if (!response.ok) throw new Error(response.statusText);
  return response.json();
}

async function start() {
  applyPreferences();
  try {
    const page = new Page(await loadConfig());
    await page.start();
  } catch (error) {
    const problem = document.getElementById("failure");
    problem.hidden = false;
    problem.textContent = t("failed.config", { reason: error.message });
    throw error;
  }
}

start();
