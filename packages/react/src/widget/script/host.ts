/** What the script tag loads first. For `apps/widget`, which bundles it; nothing in this folder is promised to others. */

export { accentTokens } from "../accent.js";
export { isLanguage, type SupportOptions } from "../options.js";
export { computedColor, createWidget, report, type SupportWidgetHandle } from "../widget.js";
