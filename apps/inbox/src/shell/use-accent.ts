/** The website's own colour, made fit to be read, as the accent of the page. */

import { useLayoutEffect } from "react";

import { accentTokens } from "../shared.js";

/** Gives the page this accent while the component is mounted; its own one where there is none, or none that is understood. */
export function useAccent(color: string | undefined): void {
  useLayoutEffect(() => {
    const { style } = document.documentElement;
    const tokens = Object.entries((color !== undefined && accentTokens(color)) || {});
    for (const [name, value] of tokens) style.setProperty(name, value);
    return () => {
      for (const [name] of tokens) style.removeProperty(name);
    };
  }, [color]);
}
