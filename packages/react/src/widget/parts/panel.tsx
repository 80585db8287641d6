"use client";

/** The panel: the whole conversation, as the widget shows it. */

import { useCallback, useEffect, useId, useMemo, useRef, useState, useSyncExternalStore, type CSSProperties } from "react";

import type { PanelInput } from "../widget.js";
import { Composer } from "./composer.js";
import { Header } from "./header.js";
import { Notice } from "./notice.js";
import { PanelContext } from "./panel-context.js";
import { SessionProvider, useLanguage } from "./support.js";
import { Thread } from "./thread.js";

/** Windows in which the panel takes all the room; as in `launcher.css`. */
const WHOLE = "(max-width: 479.9px), (max-height: 459.9px)";

/** The panel, in a shadow root that has `panelStyles`. */
export function Panel({ isFocused, ...input }: PanelInput) {
  const { subscribe, getSnapshot } = input.session;
  const current = () => getSnapshot().visitor;
  const visitor = useSyncExternalStore(subscribe, current, current);
  const [first] = useState(visitor);
  // Nothing that was written, shown or said stays for another visitor, who has not asked for the focus either.
  return <Content key={visitor} {...input} isFocused={isFocused && visitor === first} />;
}

function Content({ widget, session, texts: included, server, isFocused }: PanelInput) {
  const { options, isOpen } = useSyncExternalStore(widget.subscribe, widget.getSnapshot, widget.getSnapshot);
  const language = useLanguage(options);
  const texts = useMemo(() => ({ ...included, ...options.texts }), [included, options.texts]);
  const id = useId();
  const panel = useRef<HTMLDivElement>(null);
  const isWhole = useIsWhole();
  const visible = useVisibleArea(isWhole);
  const [said, setSaid] = useState("");
  const announce = useCallback((text: string) => setSaid((before) => (before === text ? `${text}\u00a0` : text)), []);
  const surroundings = useMemo(
    () => ({ widget, options, isOpen, texts, language, server, announce }),
    [widget, options, isOpen, texts, language, server, announce],
  );
  return (
    <SessionProvider session={session}>
      <PanelContext.Provider value={surroundings}>
        <div
          ref={panel}
          className="panel"
          role="dialog"
          aria-labelledby={id}
          aria-modal={isWhole}
          style={visible}
          onKeyDown={(event) => {
            if (event.key === "Escape") widget.close();
            else if (event.key === "Tab" && isWhole) keepFocus(panel.current, event);
          }}
        >
          <Header id={id} />
          <Thread />
          <Notice />
          <Composer isFocused={isFocused} />
          <p className="hidden" role="status">
            {said}
          </p>
        </div>
      </PanelContext.Provider>
    </SessionProvider>
  );
}

/** Whether the panel covers the page. */
function useIsWhole(): boolean {
  const [isWhole, setWhole] = useState(() => matchMedia(WHOLE).matches);
  useEffect(() => {
    const list = matchMedia(WHOLE);
    const look = () => setWhole(list.matches);
    list.addEventListener("change", look);
    return () => list.removeEventListener("change", look);
  }, []);
  return isWhole;
}

/** Where a keyboard on the screen covers a part of the window, the panel takes the rest. */
function useVisibleArea(isWhole: boolean): CSSProperties | undefined {
  const [area, setArea] = useState<CSSProperties>();
  useEffect(() => {
    const view = window.visualViewport;
    if (!isWhole || !view) return setArea(undefined);
    const look = () => {
      // Whoever magnifies the page looks at a part of the panel, which is to stay as it is.
      const isCovered = view.scale < 1.01 && view.height < window.innerHeight - 1;
      setArea(isCovered ? { flex: "none", width: "100%", height: view.height, marginTop: view.offsetTop } : undefined);
    };
    look();
    for (const type of ["resize", "scroll"]) view.addEventListener(type, look);
    return () => {
      for (const type of ["resize", "scroll"]) view.removeEventListener(type, look);
    };
  }, [isWhole]);
  return area;
}

/** What the focus can be on. */
const FOCUSABLE = "a[href], button:not([disabled]), input, textarea, [tabindex='0']";

/** Where nothing but the panel is to be seen, the focus does not leave it. */
function keepFocus(panel: HTMLElement | null, event: { shiftKey: boolean; target: EventTarget; preventDefault(): void }): void {
  const all = [...(panel?.querySelectorAll<HTMLElement>(FOCUSABLE) ?? [])];
  const [edge, other] = event.shiftKey ? [all.at(0), all.at(-1)] : [all.at(-1), all.at(0)];
  if (event.target !== edge) return;
  event.preventDefault();
  other?.focus();
}
