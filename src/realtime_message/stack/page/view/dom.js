/** Building and updating nodes; texts only ever become text. */

/**
 * Make an element.
 *
 * @param {string} tag
 * @param {object} attributes by name; `onclick` and the like are listeners, null is left out
 * @param {...(Node | string)} children
 */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value !== null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** An icon of the sprite in index.html; decoration, never read aloud. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Text for screen readers only. */
export function spoken(text) {
  return element("span", { class: "visually-hidden" }, text);
}

/** Mark a row that has just come, for its animation; not if it is only seen later. */
export function flash(row) {
  row.classList.add("fresh");
  setTimeout(() => row.classList.remove("fresh"), 1000);
}

/** A person's round sign: first letter on a colour of their own. */
export function avatar(user, name) {
  const node = element("span", { class: "avatar", "aria-hidden": "true" }, initial(name));
  node.style.setProperty("--hue", hue(user));
  return node;
}

/**
 * Make a container's children follow a list, keeping the nodes of items that stay.
 *
 * @param {Element} container
 * @param {object[]} items each with a `key`
 * @param {(item: object) => Element} create
 * @param {(node: Element, item: object) => void} update called for new and kept nodes
 */
export function updateList(container, items, create, update = () => {}) {
  const kept = new Map([...container.children].map((node) => [node.dataset.key, node]));
  let next = container.firstElementChild;
  for (const item of items) {
    let node = kept.get(item.key);
    kept.delete(item.key);
    if (node === undefined) {
      node = create(item);
      node.dataset.key = item.key;
    }
    update(node, item);
    if (node === next) next = next.nextElementSibling;
    else container.insertBefore(node, next);
  }
  for (const node of kept.values()) node.remove();
}

function initial(name) {
  return ([...name.trim()][0] ?? "?").toUpperCase();
}

function hue(user) {
  let sum = 0;
  for (const character of user) sum = (sum * 31 + character.codePointAt(0)) % 360;
  return sum;
}
