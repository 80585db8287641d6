"use client";

/** Rows that are no messages. */

import { dayText } from "../rows.js";
import { usePanel } from "./panel-context.js";
import { useNow } from "./support.js";

/** A line of small text in the middle. */
export function Line({ text, kind = "event" }: { text: string; kind?: "event" | "new" | "day" }) {
  return (
    <li className={`line ${kind}`}>
      <span>{text}</span>
    </li>
  );
}

/** The day on which what follows was written; "Today" becomes "Yesterday" by itself. */
export function DayLine({ at }: { at: string }) {
  const { language } = usePanel();
  return <Line kind="day" text={dayText(at, useNow(60_000), language)} />;
}
