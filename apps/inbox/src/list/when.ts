/** When something was, as short as a row has room for. */

const TIME = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const WEEKDAY = new Intl.DateTimeFormat(undefined, { weekday: "short" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const DATE = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** Today the time, in the last six days the weekday, in this year the day, and else the date. */
export function whenText(at: string, now: Date): string {
  const then = new Date(at);
  if (Number.isNaN(then.getTime())) return "";
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate());
  if (then >= midnight) return TIME.format(then);
  const days = Math.ceil((midnight.getTime() - then.getTime()) / 86_400_000);
  if (days <= 6) return WEEKDAY.format(then);
  return then.getFullYear() === now.getFullYear() ? DAY.format(then) : DATE.format(then);
}

/** Date and time in full. */
export function fullText(at: string): string {
  const then = new Date(at);
  return Number.isNaN(then.getTime()) ? "" : FULL.format(then);
}
