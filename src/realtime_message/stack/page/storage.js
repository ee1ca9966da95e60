/** The browser's storage, which may be forbidden: then things last as long as the page. */

/** localStorage, or undefined. */
export const deviceStorage = open("localStorage");

/** sessionStorage, one for each tab, or undefined. */
export const tabStorage = open("sessionStorage");

function open(name) {
  try {
    return window[name];
  } catch {
    return undefined;
  }
}

/** What was remembered under a name, or null. */
export function recall(name, storage = deviceStorage) {
  return storage?.getItem(name) ?? null;
}

/** Remember a string under a name. */
export function remember(name, value, storage = deviceStorage) {
  try {
    storage?.setItem(name, value);
  } catch {
    // Full: forgotten with the page.
  }
}
