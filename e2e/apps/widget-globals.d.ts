import type { Api } from "../../apps/widget/src/start.js";

declare global {
  interface Window {
    /** The widget of the page. */
    Cossistant?: Api | undefined;
  }
}
