/** The field in which messages are written. */

import { t } from "../preferences.js";

const MAX_CHARACTERS = 5000; // the callback service's limit for a chat message
const WARN_BELOW = 500;

export class Composer {
  #chat;
  #form = document.getElementById("composer");
  #field = document.getElementById("composer-text");
  #send = document.getElementById("composer-send");
  #count = document.getElementById("composer-count");
  #drafts = new Map(); // channel -> text
  #channel = null;

  constructor() {
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#field.addEventListener("input", () => this.#measure());
    this.#field.addEventListener("keydown", (event) => {
      // While an input method composes, Enter picks a character.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
  }

  update(chat) {
    this.#chat = chat;
    const { channel, name } = chat.current;
    const label = t("composer.label", { room: name });
    if (channel === this.#channel && label === this.#field.ariaLabel) return;
    this.#drafts.set(this.#channel, this.#field.value);
    this.#channel = channel;
    this.#field.value = this.#drafts.get(channel) ?? "";
    this.#field.ariaLabel = label;
    this.#measure();
  }

  focus() {
    this.#field.focus();
  }

  #submit() {
    const text = this.#field.value.trim();
    if (text === "" || length(text) > MAX_CHARACTERS) return;
    this.#chat.send(text);
    this.#field.value = "";
    this.#measure();
    this.focus();
  }

  #measure() {
    const text = this.#field.value.trim();
    const left = MAX_CHARACTERS - length(text);
    this.#send.disabled = text === "" || left < 0;
    this.#field.setAttribute("aria-invalid", String(left < 0));
    this.#count.textContent = left < WARN_BELOW ? leftText(left) : "";
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight}px`; // as tall as its text, see CSS
  }
}

/** Characters as the callback service counts them: code points. */
function length(text) {
  return [...text].length;
}

function leftText(left) {
  return left < 0 ? t("composer.over", { count: -left }) : t("composer.left", { count: left });
}
