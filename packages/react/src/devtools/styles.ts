/** How the devtools look: by themselves, whatever the page's styles are. */

import type { ConnectionState } from "@cossistant/client";
import type { CSSProperties } from "react";

/** The colour of each state; its name always stands beside it. */
export const COLOURS: Record<ConnectionState["type"], string> = {
  connected: "#4ade80",
  connecting: "#facc15",
  waiting: "#facc15",
  disconnected: "#a1a1aa",
  stopped: "#f87171",
};

const field: CSSProperties = {
  font: "inherit",
  color: "#fafafa",
  background: "#27272a",
  border: "1px solid #71717a",
  borderRadius: 4,
  padding: "2px 8px",
};

/** All styles, by what they are for. Texts have a contrast of 7 and more. */
export const styles = {
  root: {
    position: "fixed",
    insetInlineEnd: 12,
    insetBlockEnd: 12,
    zIndex: 2147483000,
    display: "flex",
    flexDirection: "column",
    alignItems: "flex-end",
    gap: 8,
    maxInlineSize: "calc(100vw - 24px)",
    font: "12px/1.5 ui-monospace, Menlo, Consolas, monospace",
    colorScheme: "dark",
    textAlign: "start",
  },
  toggle: { ...field, background: "#18181b", cursor: "pointer" },
  dot: { display: "inline-block", inlineSize: 8, blockSize: 8, borderRadius: 4 },
  panel: {
    inlineSize: 640,
    maxInlineSize: "100%",
    maxBlockSize: "70vh",
    overflow: "auto",
    boxSizing: "border-box",
    padding: 12,
    color: "#fafafa",
    background: "#18181b",
    border: "1px solid #71717a",
    borderRadius: 8,
  },
  row: { display: "flex", flexWrap: "wrap", alignItems: "center", gap: 8 },
  button: { ...field, cursor: "pointer" },
  input: { ...field, flex: 1, minInlineSize: 120 },
  heading: { font: "inherit", fontWeight: 700, margin: "12px 0 4px" },
  list: { listStyle: "none", margin: 0, padding: 0 },
  table: { inlineSize: "100%", borderCollapse: "collapse", textAlign: "start" },
  cell: { padding: "0 12px 0 0", textAlign: "start", fontWeight: "inherit", overflowWrap: "anywhere" },
  detail: { margin: 0, whiteSpace: "pre-wrap", overflowWrap: "anywhere" },
  muted: { color: "#d4d4d8" },
} satisfies Record<string, CSSProperties>;
