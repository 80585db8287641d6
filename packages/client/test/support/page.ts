/** A page that says what a test wants it to. */

import { vi } from "vitest";

/** The parts of a page that the client listens to. */
export interface Page {
  readonly window: EventTarget;
  readonly document: EventTarget & { visibilityState: "visible" | "hidden" };
  readonly navigator: { onLine: boolean };
  hide(): void;
  show(): void;
  /** Into the back/forward cache, and back. */
  leave(): void;
  comeBack(): void;
  /** How many listeners there are. */
  listeners(): number;
}

/** Makes the page that the globals name until `vi.unstubAllGlobals`. */
export function stubPage(): Page {
  let listeners = 0;
  const target = <Extra extends object>(extra: Extra): EventTarget & Extra => {
    const made = Object.assign(new EventTarget(), extra);
    const { addEventListener, removeEventListener } = EventTarget.prototype;
    made.addEventListener = (...args) => {
      listeners += 1;
      addEventListener.apply(made, args);
    };
    made.removeEventListener = (...args) => {
      listeners -= 1;
      removeEventListener.apply(made, args);
    };
    return made;
  };
  const window = target({});
  const document = target({ visibilityState: "visible" as "visible" | "hidden" });
  const navigator = { onLine: true };
  vi.stubGlobal("window", window);
  vi.stubGlobal("document", document);
  vi.stubGlobal("navigator", navigator);
  const look = (state: "visible" | "hidden") => {
    document.visibilityState = state;
    document.dispatchEvent(new Event("visibilitychange"));
  };
  return {
    window,
    document,
    navigator,
    hide: () => look("hidden"),
    show: () => look("visible"),
    leave: () => window.dispatchEvent(Object.assign(new Event("pagehide"), { persisted: true })),
    comeBack: () => window.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true })),
    listeners: () => listeners,
  };
}
