/** Who is in the open room. */

import { t } from "../preferences.js";
import { avatar, element, updateList } from "./dom.js";

export class PeopleView {
  #list = document.getElementById("people");
  #count = document.getElementById("room-people");

  update(chat) {
    const people = chat.current.people.byUser();
    this.#count.textContent = people.length ? t("people.count", { count: people.length }) : "";
    const items = people.map((person) => ({ ...person, key: person.user }));
    updateList(this.#list, items, create, (node, person) => refresh(node, person, chat.me.user));
  }
}

function create({ user, name }) {
  const about = element("span", { class: "person-about" });
  return element("li", {}, avatar(user, name), element("span", { class: "person-name" }, name), about);
}

function refresh(item, { user, connections }, me) {
  const about = [];
  if (user === me) about.push(t("people.you"));
  if (connections > 1) about.push(t("people.tabs", { count: connections }));
  item.lastElementChild.textContent = about.join(", ");
}
