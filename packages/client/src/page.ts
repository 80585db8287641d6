/** What a page tells the engine: whether it is seen, whether there is a network, that it goes and comes back. */

import type { EngineInput } from "./engine/types.js";

/** What the page may say. */
export type PageInput = Extract<
  EngineInput["type"],
  "online" | "offline" | "visible" | "hidden" | "pageHide" | "pageShow" | "tick"
>;

/** Listens to the page, if there is one. Tells at once how it stands. Returns what ends it. */
export function watchPage(tell: (input: PageInput) => void): () => void {
  if (typeof window === "undefined" || typeof document === "undefined") return () => {};
  const ends: (() => void)[] = [];
  const listen = (target: EventTarget, type: string, listener: (event: Event) => void) => {
    target.addEventListener(type, listener);
    ends.push(() => target.removeEventListener(type, listener));
  };
  const tellVisibility = () => tell(document.visibilityState === "hidden" ? "hidden" : "visible");
  listen(window, "online", () => tell("online"));
  listen(window, "offline", () => tell("offline"));
  listen(document, "visibilitychange", tellVisibility);
  listen(window, "pagehide", () => tell("pageHide"));
  listen(window, "pageshow", (event) => {
    // The one of a first load tells nothing new.
    if ((event as PageTransitionEvent).persisted) tell("pageShow");
  });
  // A page that was frozen finds that its clock has jumped.
  listen(document, "resume", () => tell("tick"));
  tellVisibility();
  tell(navigator.onLine === false ? "offline" : "online");
  return () => {
    for (const end of ends) end();
  };
}
