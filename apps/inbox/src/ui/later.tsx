import { useEffect, useEffectEvent, useState, type ComponentType } from "react";

import { say } from "./toasts.js";

/** What every window takes. */
interface WindowProps {
  isOpen: boolean;
  onClose: () => void;
}

/**
 * A window that is loaded after the page, at the latest when it is first opened. Where that fails, as without a network,
 * it says so and can be tried again; nothing else of the page is touched.
 */
export function later<Props extends WindowProps>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  return function Later(props: Props) {
    const { isOpen, onClose } = props;
    const [Loaded, setLoaded] = useState<ComponentType<Props>>();
    const fail = useEffectEvent(() => {
      if (!isOpen) return;
      say("This could not be loaded. Try again when you are connected.");
      onClose();
    });
    useEffect(() => {
      if (Loaded) return undefined;
      let isWanted = true;
      const begin = (): void =>
        void load().then(
          (component) => isWanted && setLoaded(() => component),
          () => isWanted && fail(),
        );
      const cancel = whenIdle(begin, isOpen ? 0 : PATIENCE);
      return () => {
        isWanted = false;
        cancel();
      };
    }, [Loaded, isOpen]);
    return Loaded ? <Loaded {...props} /> : null;
  };
}

/** How long a busy page may put off what is not needed yet, in ms. */
const PATIENCE = 5_000;

/** Calls back when the page has nothing to do, after `patience` ms at the latest; returns what keeps it from it. */
function whenIdle(callback: () => void, patience: number): () => void {
  // Safari does not tell when it is idle.
  if (patience === 0 || typeof requestIdleCallback === "undefined") {
    const timer = setTimeout(callback, patience);
    return () => clearTimeout(timer);
  }
  const id = requestIdleCallback(callback, { timeout: patience });
  return () => cancelIdleCallback(id);
}
