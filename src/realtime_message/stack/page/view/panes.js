/** Which part is seen where the window is too narrow for all: tabs on a phone, else a drawer. */

export class Panes {
  #tabs = [...document.querySelectorAll("#tabs button")];
  #live = document.getElementById("live");
  #openLive = document.getElementById("live-open");
  #closeLive = document.getElementById("live-close");

  constructor() {
    for (const tab of this.#tabs) tab.addEventListener("click", () => this.show(tab.value));
    this.#openLive.addEventListener("click", () => this.#showDrawer(!this.#isDrawerOpen()));
    this.#closeLive.addEventListener("click", () => this.#showDrawer(false));
    this.#live.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#isDrawerOpen()) this.#showDrawer(false);
    });
    this.show("room");
  }

  /** Show one part on a phone. @param {"rooms" | "room" | "live"} name */
  show(name) {
    document.body.dataset.pane = name;
    for (const tab of this.#tabs) {
      if (tab.value === name) tab.setAttribute("aria-current", "true");
      else tab.removeAttribute("aria-current");
    }
  }

  #isDrawerOpen() {
    return document.body.dataset.drawer === "open";
  }

  #showDrawer(isOpen) {
    document.body.dataset.drawer = isOpen ? "open" : "";
    this.#openLive.setAttribute("aria-expanded", String(isOpen));
    (isOpen ? this.#closeLive : this.#openLive).focus();
  }
}
