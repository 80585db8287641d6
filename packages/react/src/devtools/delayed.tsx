"use client";

/** The panel while it loads. Apart, so that a production build has none of it, nor what it imports. */

import { useEffect, useState, type ComponentType } from "react";

import type { WebSocketDevtoolsProps } from "./index.js";

// Bundlers see that a production build never gets here, and leave the panel out of it.
const load = process.env.NODE_ENV === "production" ? undefined : () => import("./index.js");

/** Shows the panel once it is here. */
export function LazyDevtools(props: WebSocketDevtoolsProps) {
  const [Panel, show] = useState<ComponentType<WebSocketDevtoolsProps>>();
  useEffect(() => {
    let isMounted = true;
    void load?.().then(({ WebSocketDevtools }) => {
      if (isMounted) show(() => WebSocketDevtools);
    });
    return () => {
      isMounted = false;
    };
  }, []);
  return Panel ? <Panel {...props} /> : null;
}
