/** Times as people read them. */

import { locale } from "../preferences.js";

const DAY_MS = 86_400_000;

/** 14:05, with the date if it was not within a day. */
export function clockTime(at) {
  const isRecent = Math.abs(Date.now() - at) < DAY_MS;
  const date = isRecent ? {} : { month: "short", day: "numeric" };
  const format = new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit", ...date });
  return format.format(at);
}

/** A worker's name; one that is only a number says what it is. */
export function workerName(worker) {
  return /^\d+$/.test(worker) ? `worker-${worker}` : worker;
}

/** 0.04 ms, 1.8 ms, 12 ms, 1.3 s. */
export function duration(ms) {
  if (typeof ms !== "number") return "–";
  if (ms < 0.01) return "< 0.01 ms";
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  const digits = ms < 1 ? 2 : ms < 10 ? 1 : 0;
  return `${ms.toFixed(digits)} ms`;
}
