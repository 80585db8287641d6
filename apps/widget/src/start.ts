/** The widget on a page that has the script tag: its element, and what the page can ask of it. */

import { computedColor, createWidget, report, type SupportWidgetHandle } from "@cossistant/react/widget/script/host";

import { readAttributes } from "./attributes.js";

/** What a page can ask of its widget, as `window.Cossistant`. Before the widget is loaded, answers are promises. */
export type Api = Pick<SupportWidgetHandle, "open" | "close" | "toggle" | "identify" | "reset" | "update" | "on" | "destroy">;

/** Begins the widget. `data` are the tag's attributes, `source` is where the script comes from. */
export type Start = (data: DOMStringMap, source: URL) => Api | undefined;

/** See `Start`. */
export const start: Start = (data, source) => {
  const { options, faults } = readAttributes(data, source.origin, computedColor);
  for (const { code, text } of faults) report(code, text);
  if (!options) return undefined;

  const host = document.createElement("cossistant-widget");
  document.body.append(host);
  const widget = createWidget(host, options, {
    loadSession: async () => (await import("./session.js")).loadSession(),
    loadPanel: async () => (await import("./panel.js")).showPanel,
  });
  const endWatch = stay(host);
  const { open, close, toggle, identify, reset, update, on } = widget;
  return {
    open,
    close,
    toggle,
    identify,
    reset,
    update,
    on,
    destroy() {
      endWatch();
      widget.destroy();
      host.remove();
    },
  };
};

/** Some sites replace the whole body on the way from page to page; the widget goes along, with all that is in it. */
function stay(host: HTMLElement): () => void {
  const observer = new MutationObserver(() => {
    if (!host.isConnected) document.body.append(host);
  });
  observer.observe(document.documentElement, { childList: true });
  return () => observer.disconnect();
}
