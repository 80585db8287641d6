"use client";

/** What all parts of the panel know. */

import { createContext, useContext } from "react";

import type { SupportOptions } from "../options.js";
import type { SupportTexts } from "../texts/texts.js";
import type { SupportWidgetHandle } from "../widget.js";

/** The surroundings of a part. */
export interface PanelSurroundings {
  readonly widget: SupportWidgetHandle;
  readonly options: SupportOptions;
  readonly isOpen: boolean;
  readonly texts: SupportTexts;
  readonly language: string;
  readonly server: string;
  /** Says something to screen readers. */
  readonly announce: (text: string) => void;
}

/** The panel that a part is in. */
export const PanelContext = createContext<PanelSurroundings | undefined>(undefined);

/** The surroundings of this part. */
export function usePanel(): PanelSurroundings {
  const panel = useContext(PanelContext);
  if (!panel) throw new Error("this is a part of the panel");
  return panel;
}
