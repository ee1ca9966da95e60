/** The reader's language and colours: what the browser says, until they choose otherwise. */

import { LANGUAGES, STRINGS } from "./strings.js";
import { recall, remember } from "./storage.js";

const LANGUAGE = "rtm.language";
const THEME = "rtm.theme";

let language = "en";

/** Apply what was chosen before, or what the browser says. */
export function applyPreferences() {
  const preferred = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
  const chosen = recall(LANGUAGE);
  setLanguage(chosen in LANGUAGES ? chosen : preferred);
  const theme = recall(THEME);
  if (theme === "dark" || theme === "light") document.documentElement.dataset.theme = theme;
}

/** The text for a key in the reader's language, with its {parameters} filled in. */
export function t(key, parameters = {}) {
  const strings = STRINGS[language];
  const text = (parameters.count === 1 && strings[`${key}.one`]) || strings[key] || key;
  return text.replace(/\{(\w+)\}/g, (_, name) => parameters[name]);
}

/** Whether there is a text for a key. */
export function hasText(key) {
  return key in STRINGS[language];
}

/** The language tag for dates and numbers. */
export function locale() {
  return language === "zh" ? "zh-CN" : navigator.language.startsWith("en") ? navigator.language : "en";
}

/** Switch to the other language. */
export function switchLanguage() {
  setLanguage(language === "en" ? "zh" : "en");
  remember(LANGUAGE, language);
}

/** Whether the page is dark now. */
export function isDark() {
  const theme = document.documentElement.dataset.theme;
  return theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Switch between light and dark. */
export function switchTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  remember(THEME, theme);
}

function setLanguage(tag) {
  language = tag;
  document.documentElement.lang = tag === "zh" ? "zh-CN" : tag;
  for (const node of document.querySelectorAll("[data-text]")) {
    node.textContent = t(node.dataset.text);
  }
  for (const node of document.querySelectorAll("[data-label]")) {
    node.setAttribute("aria-label", t(node.dataset.label));
  }
  for (const node of document.querySelectorAll("[data-placeholder]")) {
    node.placeholder = t(node.dataset.placeholder);
  }
}
