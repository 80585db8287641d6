import { Tooltip } from "@base-ui/react/tooltip";
import type { ReactElement } from "react";

import { floatingPlace } from "./floating.js";

/** What a button without words does, and its key: shown when somebody points at it or comes to it by the keyboard. */
export function Tip({ text, hotkey, children }: { text: string; hotkey?: string | undefined; children: ReactElement }) {
  return (
    <Tooltip.Root>
      <Tooltip.Trigger render={children} />
      <Tooltip.Portal container={floatingPlace()}>
        <Tooltip.Positioner className="floating" sideOffset={6} collisionPadding={8}>
          <Tooltip.Popup className="tip">
            {text}
            {hotkey && <kbd>{hotkey}</kbd>}
          </Tooltip.Popup>
        </Tooltip.Positioner>
      </Tooltip.Portal>
    </Tooltip.Root>
  );
}
