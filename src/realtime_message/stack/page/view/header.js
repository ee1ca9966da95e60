/** The bar at the top: connection, who I am, language and colours. */

import { isDark, switchLanguage, switchTheme, t } from "../preferences.js";
import { avatar, element, icon } from "./dom.js";

export class Header {
  #chat;
  #bar = document.getElementById("connection");
  #text = document.getElementById("connection-text");
  #now = document.getElementById("connection-now");
  #me = document.getElementById("me");
  #language = document.getElementById("language");
  #theme = document.getElementById("theme");
  #timer = 0;

  /** @param {{onName: () => void, onLanguage: () => void}} actions */
  constructor({ onName, onLanguage }) {
    this.#me.addEventListener("click", onName);
    this.#now.addEventListener("click", () => this.#chat.reconnect());
    this.#language.addEventListener("click", () => {
      switchLanguage();
      onLanguage();
    });
    this.#theme.addEventListener("click", () => {
      switchTheme();
      this.#showTheme();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#showTheme());
    this.#showTheme();
  }

  update(chat) {
    this.#chat = chat;
    const { name, user } = chat.me;
    this.#me.replaceChildren(avatar(user, name), element("span", { class: "me-name" }, name));
    this.#me.setAttribute("aria-label", t("me.change", { name }));
    this.#showConnection();
    this.#showTheme();
  }

  #showConnection() {
    clearTimeout(this.#timer);
    const { state, reason, code, retryAt } = this.#chat.connection;
    const isWaiting = state === "connecting" && retryAt !== undefined;
    const seconds = isWaiting ? Math.max(0, Math.ceil((retryAt - Date.now()) / 1000)) : 0;
    const key = isWaiting ? "waiting" : state;
    this.#bar.dataset.state = state;
    this.#text.textContent = t(`connection.${key}`, { seconds, reason: reason || code });
    this.#bar.title = reason ?? "";
    this.#now.hidden = !isWaiting && state !== "disconnected";
    this.#now.textContent = t(state === "disconnected" ? "connection.connect" : "connection.now");
    if (isWaiting) this.#timer = setTimeout(() => this.#showConnection(), 250);
  }

  #showTheme() {
    const label = t(isDark() ? "theme.light" : "theme.dark");
    this.#theme.setAttribute("aria-label", label);
    this.#theme.title = label;
    this.#theme.replaceChildren(icon(isDark() ? "sun" : "moon"));
  }
}
