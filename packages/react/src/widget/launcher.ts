/** The button that opens the panel, and the place for the panel: without a framework, since it is all that most pages ever load. */

import type { LauncherTexts } from "./texts/launcher.js";

/** What the launcher shows. */
export interface LauncherView {
  readonly isOpen: boolean;
  /** The panel is on its way. */
  readonly isLoading: boolean;
  readonly unreadCount: number;
  readonly texts: LauncherTexts;
  readonly position: "left" | "right";
  readonly direction: "ltr" | "rtl";
  readonly language: string;
}

/** The elements of the launcher. */
export interface Launcher {
  /** Gets the focus back when the panel closes. */
  readonly button: HTMLButtonElement;
  /** Where the panel is rendered. */
  readonly place: HTMLElement;
  show(view: LauncherView): void;
  remove(): void;
}

const SVG = "http://www.w3.org/2000/svg";
/** A speech bubble with a smile, and an arrow that folds the panel away. */
const BUBBLE = ["M20.5 11.6c0 4.3-3.8 7.7-8.5 7.7-1.2 0-2.4-.2-3.4-.6L4 20.2l1.2-3.9a7.2 7.2 0 0 1-1.7-4.7c0-4.3 3.8-7.7 8.5-7.7s8.5 3.4 8.5 7.7Z", "M8.8 12.8a4 4 0 0 0 6.400 0"];
const FOLD = ["m6.5 9.5 5.5 5.5 5.5-5.5"];

/** Past this a badge says `9+`. */
const MOST = 9;

/** Makes the launcher in a shadow root. `onNear` is called when a pointer or the focus comes near the button. */
export function createLauncher(root: ShadowRoot, onToggle: () => void, onNear: () => void): Launcher {
  const widget = element("div", "widget");
  const button = element("button", "launcher");
  const badge = element("span", "badge");
  const place = element("div", "place");
  // What comes while the panel is closed is said, too; in the panel it says it itself.
  const said = element("span", "said");
  said.role = "status";
  button.type = "button";
  button.append(icon(BUBBLE), icon(FOLD), badge);
  // The name of the button says how many there are.
  badge.setAttribute("aria-hidden", "true");
  button.addEventListener("click", onToggle);
  button.addEventListener("pointerenter", onNear);
  button.addEventListener("focus", onNear);
  place.inert = true;
  // The panel stands before its button, so that it is reached first.
  widget.append(place, button, said);
  root.append(widget);

  return {
    button,
    place,
    show({ isOpen, isLoading, unreadCount, texts, position, direction, language }) {
      widget.dataset["position"] = position;
      widget.dir = direction;
      widget.lang = language;
      button.ariaExpanded = String(isOpen);
      button.ariaBusy = String(isLoading);
      button.ariaLabel = isOpen ? texts.close : texts.open(unreadCount);
      badge.textContent = unreadCount > MOST ? `${MOST}+` : String(unreadCount);
      badge.hidden = unreadCount === 0 || isOpen;
      place.inert = !isOpen;
      said.textContent = badge.hidden ? "" : texts.open(unreadCount);
    },
    remove: () => widget.remove(),
  };
}

function element<Name extends keyof HTMLElementTagNameMap>(name: Name, className: string): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  made.className = className;
  return made;
}

function icon(paths: readonly string[]): SVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  for (const d of paths) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}
