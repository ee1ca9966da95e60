/** The dialog that asks who uses this tab. */

import { signIn } from "../session.js";
import { hasText, t } from "../preferences.js";

const SUGGESTIONS = ["Ada", "Alan", "Barbara", "Dennis", "Edsger", "Grace", "Ken", "Linus", "Radia"];

export class NameDialog {
  #dialog = document.getElementById("name-dialog");
  #form = document.getElementById("name-form");
  #title = document.getElementById("name-title");
  #input = document.getElementById("name-input");
  #problem = document.getElementById("name-problem");
  #cancel = document.getElementById("name-cancel");

  /**
   * Ask until someone is signed in.
   *
   * @param {string | null} current the name so far; null if there is none, so that one is needed
   * @returns {Promise<object | null>} what signIn() gives; null if the reader cancelled
   */
  ask(current) {
    this.#title.textContent = t(current === null ? "name.title" : "name.change");
    this.#cancel.hidden = current === null;
    this.#input.value = current ?? SUGGESTIONS[Math.floor(Math.random() * SUGGESTIONS.length)];
    this.#complain("");
    this.#dialog.showModal();
    this.#input.select();
    return new Promise((resolve) => {
      this.#form.onsubmit = async (event) => {
        event.preventDefault();
        const person = await this.#trySigningIn(this.#input.value.trim());
        if (person === null) return;
        this.#dialog.close();
        resolve(person);
      };
      this.#cancel.onclick = () => this.#dialog.close();
      this.#dialog.oncancel = (event) => {
        if (current === null) event.preventDefault(); // Escape
      };
      this.#dialog.onclose = () => resolve(null); // no effect after the one above
    });
  }

  async #trySigningIn(name) {
    try {
      return await signIn(name);
    } catch (error) {
      const key = `name.${error.code}`;
      this.#complain(hasText(key) ? t(key) : t("name.failed", { reason: error.message }));
      this.#input.focus();
      return null;
    }
  }

  #complain(text) {
    this.#problem.textContent = text;
    this.#input.setAttribute("aria-invalid", String(text !== ""));
  }
}
