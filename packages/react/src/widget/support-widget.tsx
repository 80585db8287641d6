"use client";

import { createElement, lazy, Suspense, useEffect, useInsertionEffect, useRef, useState } from "react";
import { createPortal } from "react-dom";

import type { SupportOptions } from "./options.js";
import { sheetOf, createWidget, type PanelInput, type SupportWidgetHandle } from "./widget.js";

/** What the widget takes: the choices of the site, and where its handle goes. */
export interface SupportWidgetProps extends SupportOptions {
  /** Called with the widget's handle, for buttons of the page's own, and with null when it is gone. */
  onReady?: ((widget: SupportWidgetHandle | null) => void) | undefined;
  /** Called when the panel opens or closes. */
  onOpenChange?: ((isOpen: boolean) => void) | undefined;
  /** Called with the number of unread messages when it changes. */
  onUnreadChange?: ((unreadCount: number) => void) | undefined;
}

const Panel = lazy(async () => ({ default: (await import("./parts/panel.js")).Panel }));

/** A panel that is to be shown, and where. */
interface Shown extends PanelInput {
  readonly place: HTMLElement;
}

/**
 * The support widget: a button in the corner of the window, which opens a panel with the visitor's conversation.
 *
 * It lives in a shadow root, so that no style of the page reaches it and none of its own reaches the page; its colours
 * follow `color`, or custom properties set on `cossistant-widget`. On a server it renders an empty element. Another
 * public key or server makes another widget; everything else may change at any time, and be written inline.
 */
export function SupportWidget({ onReady, onOpenChange, onUnreadChange, ...options }: SupportWidgetProps) {
  const host = useRef<HTMLElement>(null);
  const latest = useRef({ options, onReady, onOpenChange, onUnreadChange });
  useInsertionEffect(() => {
    latest.current = { options, onReady, onOpenChange, onUnreadChange };
  });
  const [shown, setShown] = useState<Shown>();
  const [widget, setWidget] = useState<SupportWidgetHandle>();

  const { publicKey, server } = options;
  useEffect(() => {
    if (!host.current) return;
    const made = createWidget(host.current, latest.current.options, {
      loadSession: async () => (await import("./session.js")).createSession,
      async loadPanel() {
        const { panelStyles } = await import("./styles/panel.js");
        return (place, input) => {
          const root = place.getRootNode() as ShadowRoot;
          root.adoptedStyleSheets = [...new Set([...root.adoptedStyleSheets, sheetOf(panelStyles)])];
          setShown({ ...input, place });
          return () => setShown(undefined);
        };
      },
    });
    const ends = [
      made.on("open", () => latest.current.onOpenChange?.(true)),
      made.on("close", () => latest.current.onOpenChange?.(false)),
      made.on("unread", (count) => latest.current.onUnreadChange?.(count)),
    ];
    setWidget(made);
    latest.current.onReady?.(made);
    return () => {
      for (const end of ends) end();
      latest.current.onReady?.(null);
      setWidget(undefined);
      made.destroy();
    };
  }, [publicKey, server]);

  // Written inline, they are other objects each time; what they say is compared.
  const said = JSON.stringify(options, (_, value: unknown) => (typeof value === "function" ? String(value) : value));
  useEffect(() => {
    const { publicKey: _, server: __, ...changes } = latest.current.options;
    widget?.update(changes);
  }, [widget, said]);

  return (
    <>
      {createElement("cossistant-widget", { ref: host })}
      {shown &&
        createPortal(
          <Suspense>
            <Panel {...shown} />
          </Suspense>,
          shown.place,
        )}
    </>
  );
}
