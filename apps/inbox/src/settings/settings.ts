/** What each person chooses for this browser. */

import { createKept, isRecord } from "../kept.js";

/** See above. */
export interface Settings {
  readonly theme: "system" | "light" | "dark";
  /** A short sound for what one would be notified of. */
  readonly hasSound: boolean;
  /** Notifications of the operating system, once the browser was allowed to show them. */
  readonly hasNotifications: boolean;
  /** Enter sends, and Shift-Enter begins a new line; else Ctrl-Enter sends. */
  readonly entersSend: boolean;
  /** Single keys do things wherever one is not writing; who dictates may not want that. */
  readonly hasKeys: boolean;
  /** Visitors' images are loaded by themselves, which tells their server who looks at them and when. */
  readonly loadsImages: boolean;
  /** Whether the visitor's panel is open, where there is room for it. */
  readonly hasPanel: boolean;
}

const DEFAULT: Settings = {
  theme: "system",
  hasSound: false,
  hasNotifications: false,
  entersSend: false,
  hasKeys: true,
  loadsImages: false,
  hasPanel: true,
};

/** The choices. */
export const settings = createKept<Settings>("settings", (stored) => {
  if (!isRecord(stored)) return DEFAULT;
  const { theme } = stored;
  const flag = (name: keyof Settings): boolean => (typeof stored[name] === "boolean" ? stored[name] : DEFAULT[name] === true);
  return {
    theme: theme === "light" || theme === "dark" ? theme : "system",
    hasSound: flag("hasSound"),
    hasNotifications: flag("hasNotifications"),
    entersSend: flag("entersSend"),
    hasKeys: flag("hasKeys"),
    loadsImages: flag("loadsImages"),
    hasPanel: flag("hasPanel"),
  };
});

/** Changes some of them. */
export function choose(changes: Partial<Settings>): void {
  settings.set((old) => ({ ...old, ...changes }));
}

/** Shows the page in the chosen theme, now and whenever it is changed. */
export function followTheme(): void {
  const show = (): void => {
    document.documentElement.dataset["theme"] = settings.get().theme;
  };
  settings.subscribe(show);
  show();
}
