/** Renders the panel. A chunk of its own, which comes when the panel is opened. */

import { Panel, panelStyles, sheetOf, type ShowPanel } from "@cossistant/react/widget/script/panel";
import { createRoot } from "react-dom/client";

/** See `ShowPanel`. */
export const showPanel: ShowPanel = (place, input) => {
  const shadow = place.getRootNode();
  if (shadow instanceof ShadowRoot) {
    const sheets = new Set([...shadow.adoptedStyleSheets, sheetOf(panelStyles)]);
    shadow.adoptedStyleSheets = [...sheets];
  }
  const root = createRoot(place);
  root.render(<Panel {...input} />);
  return () => root.unmount();
};
