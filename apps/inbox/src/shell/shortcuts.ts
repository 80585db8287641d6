/** Single keys that do things, where nobody is writing. */

import { useEffect, useEffectEvent } from "react";

import { useKept } from "../kept.js";
import { settings } from "../settings/settings.js";

/** By key, as `KeyboardEvent.key` names it. */
export type Shortcuts = Readonly<Record<string, (() => void) | undefined>>;

/** All of them, for the page that lists them. */
export const ALL_SHORTCUTS: readonly { readonly title: string; readonly keys: readonly (readonly [string, string])[] }[] = [
  {
    title: "Conversations",
    keys: [
      ["j", "Next"],
      ["k", "Previous"],
      ["/", "Search"],
      ["u", "Back to the list"],
    ],
  },
  {
    title: "This conversation",
    keys: [
      ["r", "Reply"],
      ["n", "Write a note"],
      ["e", "Resolve, or open again"],
      ["a", "Take it, or give it back"],
      ["p", "Show or hide who it is"],
    ],
  },
  {
    title: "Writing",
    keys: [
      ["Ctrl Enter", "Send"],
      ["/", "Canned replies"],
      ["↑", "Edit your last message, in an empty field"],
      ["Esc", "Leave the field"],
    ],
  },
  {
    title: "Everywhere",
    keys: [
      ["?", "This page"],
      ["Shift D", "What happens on the connection"],
    ],
  },
];

/**
 * Does what belongs to a key while the component is mounted; not in fields, menus and windows, which have keys of their
 * own, and not where single keys are switched off.
 */
export function useShortcuts(shortcuts: Shortcuts): void {
  const press = useEffectEvent((event: KeyboardEvent) => {
    if (!settings.get().hasKeys || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isBusy(event.target)) return;
    const action = shortcuts[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => press(event);
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, []);
}

/** The name of a single key, for what is shown beside what it does; undefined where they are switched off. */
export function useKeyName(key: string): string | undefined {
  return useKept(settings).hasKeys ? key : undefined;
}

/** Whether the keys belong to something else. */
function isBusy(target: EventTarget | null): boolean {
  if (document.querySelector('.dialog, .popover, [role="menu"]')) return true;
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}
