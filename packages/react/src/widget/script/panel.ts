"use client";

/** What the script tag loads when the panel is opened. */

export { Panel } from "../parts/panel.js";
export { panelStyles } from "../styles/panel.js";
export { sheetOf, type ShowPanel } from "../widget.js";
