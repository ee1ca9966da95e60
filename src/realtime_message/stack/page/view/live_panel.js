/** What the workers do, as it happens: counts, partitions, and a row for each receipt. */

import { hasText, t } from "../preferences.js";
import { element, flash, updateList } from "./dom.js";
import { duration, workerName } from "./format.js";

const MIN_PARTITIONS = 8; // the default; more appear as they are seen

export class LivePanel {
  #figures = {
    handled: document.getElementById("live-handled"),
    retries: document.getElementById("live-retries"),
    dead: document.getElementById("live-dead"),
    typical: document.getElementById("live-typical"),
  };
  #partitions = document.getElementById("partitions");
  #table = document.getElementById("receipts-table");
  #rows = document.getElementById("receipts");
  #empty = document.getElementById("receipts-empty");
  #isReset = true;

  update(chat) {
    const { handled, retries, deadLetters, counts, rows } = chat.receipts;
    this.#figures.handled.textContent = String(handled);
    this.#figures.retries.textContent = String(retries);
    this.#figures.dead.textContent = String(deadLetters);
    this.#figures.typical.textContent = duration(chat.receipts.medianAgeMs());
    updateList(this.#partitions, bars(counts), createBar, refreshBar);
    const isFresh = !this.#isReset;
    this.#isReset = false;
    const create = (receipt) => createRow(receipt, isFresh);
    updateList(this.#rows, rows, create, (row, receipt) => refreshRow(row, receipt, chat));
    this.#table.hidden = rows.length === 0;
    this.#empty.hidden = rows.length > 0;
  }

  /** Draw everything anew: the language changed. */
  reset() {
    this.#isReset = true;
    this.#rows.replaceChildren();
  }
}

function bars(counts) {
  const highest = Math.max(MIN_PARTITIONS - 1, ...counts.keys());
  const most = Math.max(1, ...counts.values());
  return Array.from({ length: highest + 1 }, (_, partition) => {
    const count = counts.get(partition) ?? 0;
    return { key: String(partition), partition, count, share: count / most };
  });
}

function createBar({ partition }) {
  const bar = element("span", { class: "bar-fill" });
  const hide = { "aria-hidden": "true" };
  return element(
    "li",
    {},
    element("span", { class: "visually-hidden" }),
    element("span", { class: "bar-count", ...hide }),
    element("span", { class: "bar-track", ...hide }, bar),
    element("span", { class: "bar-name", ...hide }, `p${partition}`),
  );
}

function refreshBar(item, { partition, count, share }) {
  const [spoken, number, track] = item.children;
  spoken.textContent = t("live.partition", { partition, count });
  number.textContent = count ? String(count) : "";
  track.firstElementChild.style.setProperty("--share", share.toFixed(3));
}

function createRow(receipt, isFresh) {
  const { partition, worker, attempt, outcome, took_ms, age_ms } = receipt;
  const key = `outcome.${outcome}`;
  const label = hasText(key) ? t(key) : outcome;
  const cell = (className, content, title = null) =>
    element("td", { role: "cell", class: className, title }, content);
  const row = element(
    "tr",
    { role: "row", class: "receipt" },
    element("th", { role: "rowheader", class: "receipt-message" }),
    cell("receipt-took", duration(took_ms), t("live.age", { time: duration(age_ms) })),
    cell("receipt-partition", element("span", { class: "tag" }, `p${partition}`)),
    cell("receipt-worker", workerName(worker), workerName(worker)),
    cell(attempt > 1 ? "attempt-again" : "attempt", t("live.attempt", { attempt })),
    cell(`receipt-outcome outcome-${outcome}`, label),
  );
  if (isFresh) flash(row);
  return row;
}

/** The text may be known only after the receipt: the worker can be faster than the broadcast. */
function refreshRow(row, { id, channel }, chat) {
  const cell = row.firstElementChild;
  if (cell.dataset.known) return;
  const room = chat.rooms.get(channel);
  const message = room?.find(id);
  if (message !== undefined) {
    cell.dataset.known = "true";
    cell.textContent = message.text;
    cell.title = message.text;
  } else if (cell.textContent === "") {
    cell.textContent = t("live.elsewhere", { room: room?.name ?? channel });
    cell.title = id;
  }
}
