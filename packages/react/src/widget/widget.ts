/**
 * The widget as a whole, without a framework: launcher, session and panel, and when each of them is loaded.
 *
 * What a page loads at first is the launcher alone. A session begins when the visitor has a conversation, is to be made
 * known, or opens the panel; the panel is loaded when it is opened.
 */

import { accentTokens } from "./accent.js";
import { forgetVisitor, forTab, forGood, keptName } from "./kept.js";
import { createLauncher, type Launcher } from "./launcher.js";
import { directionOf, languageOf, launcherTextsOf, positionOf, serverOf, type SupportOptions } from "./options.js";
import type { createSession, SupportSession } from "./session.js";
import { launcherStyles } from "./styles/launcher.js";
import { loadTexts, type SupportTexts } from "./texts/texts.js";

/** What happens to a widget. */
export type WidgetEvent = "open" | "close" | "unread";

/** What a widget shows. Frozen; the same object until something in it changes. */
export interface WidgetSnapshot {
  readonly options: SupportOptions;
  readonly isOpen: boolean;
  readonly unreadCount: number;
}

/** The panel, rendered by whoever has a framework. Returns what takes it away. */
export type ShowPanel = (place: HTMLElement, panel: PanelInput) => () => void;

/** What a panel is made of. */
export interface PanelInput {
  readonly widget: SupportWidgetHandle;
  readonly session: SupportSession;
  readonly texts: SupportTexts;
  /** The server's address; what is kept is kept by it. */
  readonly server: string;
  /** Whether somebody has just asked for the panel, so that its text field takes the focus. */
  readonly isFocused: boolean;
}

/** How a widget comes by its parts. Each is asked for once, and again after a failure. */
export interface WidgetParts {
  loadSession(): Promise<typeof createSession>;
  loadPanel(): Promise<ShowPanel>;
}

/** A widget on a page. Functions need no `this`, and may be called at any time. */
export interface SupportWidgetHandle {
  /** Opens the panel. */
  open(this: void): void;
  /** Closes it. */
  close(this: void): void;
  /** Opens or closes it. */
  toggle(this: void): void;
  /** Says who the visitor is, by a token of the site's own server. Rejects when the server refuses it. */
  identify(this: void, identityToken: string): Promise<void>;
  /**
   * Forgets the visitor on this browser, and what was written and not sent: to be called after a log-out. What is shown
   * and what can be told apart is forgotten at once; resolves when what was kept of unsent messages is, too.
   */
  reset(this: void): Promise<void>;
  /** Changes choices. The public key and the server stay as they are. */
  update(this: void, changes: Partial<Omit<SupportOptions, "publicKey" | "server">>): void;
  /** Calls back when something happens. `unread` comes with the number of unread messages. Returns what ends it. */
  on(this: void, event: WidgetEvent, listener: (unreadCount: number) => void): () => void;
  subscribe(this: void, listener: () => void): () => void;
  getSnapshot(this: void): WidgetSnapshot;
  /** Takes the widget away and ends its connection. */
  destroy(this: void): void;
}

/** Begins a widget in the shadow root of `host`, an element of its own. */
export function createWidget(host: HTMLElement, first: SupportOptions, parts: WidgetParts): SupportWidgetHandle {
  const { publicKey } = first;
  const server = serverOf(first);
  const kept = (kind: "open" | "conversation") => keptName(kind, server, publicKey);
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const own = new CSSStyleSheet();
  root.adoptedStyleSheets = [sheetOf(launcherStyles), own];

  const listeners = new Set<() => void>();
  const events = new Set<readonly [WidgetEvent, (unreadCount: number) => void]>();
  let snapshot: WidgetSnapshot = Object.freeze({ options: first, isOpen: false, unreadCount: 0 });
  let isLoading = false;
  let isOver = false;
  let session: Promise<SupportSession> | undefined;
  let endSession = () => {};
  let shown: { hide(): void } | undefined;
  let panel: Promise<[ShowPanel, SupportTexts]> | undefined;

  const launcher: Launcher = createLauncher(root, toggle, () => void loadPanel().catch(() => {}));

  function change(changes: Partial<WidgetSnapshot>): void {
    const before = snapshot;
    snapshot = Object.freeze({ ...snapshot, ...changes });
    show();
    for (const listener of [...listeners]) listener();
    const { isOpen, unreadCount } = snapshot;
    if (isOpen !== before.isOpen) tell(isOpen ? "open" : "close");
    if (unreadCount !== before.unreadCount) tell("unread");
  }

  function tell(event: WidgetEvent): void {
    for (const [name, listener] of [...events]) {
      // What a page does with it is the page's own affair.
      if (name === event) queueMicrotask(() => listener(snapshot.unreadCount));
    }
  }

  function show(): void {
    const { options, isOpen, unreadCount } = snapshot;
    launcher.show({
      isOpen,
      isLoading,
      unreadCount,
      texts: launcherTextsOf(options),
      position: positionOf(options),
      direction: directionOf(options),
      language: languageOf(options),
    });
  }

  function dress(): void {
    const { color, theme } = snapshot.options;
    const tokens = { ...(color && accentTokens(color, computedColor)), ...(theme && theme !== "auto" && { "--cs-scheme": theme }) };
    const rules = Object.entries(tokens).map(([name, value]) => `${name}:${value}`);
    own.replaceSync(`:host{${rules.join(";")}}`);
  }

  /** The session, begun if need be. */
  function begin(): Promise<SupportSession> {
    session ??= parts.loadSession().then(
      (create) => {
        const { connection } = snapshot.options;
        const made = create({ server, publicKey, connection });
        const look = () => change({ unreadCount: made.getSnapshot().unreadCount });
        const leave = made.subscribe(() => {
          if (made.getSnapshot().unreadCount !== snapshot.unreadCount) look();
        });
        endSession = () => {
          leave();
          made.end();
        };
        if (isOver) endSession();
        return made;
      },
      (error: unknown) => {
        session = undefined;
        throw error;
      },
    );
    return session;
  }

  function loadPanel(): Promise<[ShowPanel, SupportTexts]> {
    panel ??= Promise.all([parts.loadPanel(), loadTexts(languageOf(snapshot.options))]).catch((error: unknown) => {
      panel = undefined;
      throw error;
    });
    return panel;
  }

  async function showPanel(isFocused: boolean): Promise<void> {
    if (shown || isLoading) return;
    isLoading = true;
    show();
    try {
      const [made, [render, texts]] = await Promise.all([begin(), loadPanel()]);
      if (!isOver) shown = { hide: render(launcher.place, { widget, session: made, texts, server, isFocused }) };
    } catch (error) {
      failed(error);
      change({ isOpen: false });
    } finally {
      isLoading = false;
      if (!isOver) show();
    }
  }

  function open(): void {
    if (snapshot.isOpen || isOver) return;
    forTab.set(kept("open"), "1");
    change({ isOpen: true });
    void showPanel(true);
  }

  function close(): void {
    if (!snapshot.isOpen || isOver) return;
    forTab.set(kept("open"), undefined);
    // Before it is out of reach, or else the focus is lost.
    const hadFocus = launcher.place.contains(root.activeElement);
    change({ isOpen: false });
    if (hadFocus) launcher.button.focus();
  }

  function toggle(): void {
    if (snapshot.isOpen) close();
    else open();
  }

  async function identify(identityToken: string): Promise<void> {
    await (await begin()).identify(identityToken);
  }

  const widget: SupportWidgetHandle = {
    open,
    close,
    toggle,
    identify,
    async reset() {
      const hasWritten = forGood.get(kept("conversation")) !== undefined;
      // At once, since a page may go to another one right after a log-out.
      forgetVisitor(server, publicKey);
      // What was never sent is kept by the session; the next one forgets it at the latest.
      if (session || hasWritten) await (await begin()).reset();
    },
    update(changes) {
      if (isOver) return;
      const { options: before } = snapshot;
      const options = Object.freeze({ ...before, ...changes });
      const isOtherLanguage = languageOf(options) !== languageOf(before);
      change({ options });
      dress();
      if (options.identityToken && options.identityToken !== before.identityToken) void known(options.identityToken);
      if (!isOtherLanguage) return;
      panel = undefined;
      shown?.hide();
      shown = undefined;
      if (snapshot.isOpen) void showPanel(false);
    },
    on(event, listener) {
      const entry = [event, listener] as const;
      events.add(entry);
      return () => void events.delete(entry);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    getSnapshot: () => snapshot,
    destroy() {
      if (isOver) return;
      isOver = true;
      shown?.hide();
      endSession();
      launcher.remove();
    },
  };

  async function known(token: string): Promise<void> {
    try {
      await identify(token);
    } catch (error) {
      report("bad_identity_token", "the visitor could not be identified", error);
    }
  }

  dress();
  show();
  if (first.identityToken) void known(first.identityToken);
  else if (forGood.get(kept("conversation")) !== undefined) begin().catch(failed);
  if (forTab.get(kept("open"))) {
    change({ isOpen: true });
    void showPanel(false);
  }
  return widget;
}

const failed = (error: unknown) => report("load_failed", "the chat could not be loaded", error);

/** Tells the site's developers what is wrong. The code stays the same over versions. */
export function report(code: string, text: string, ...more: unknown[]): void {
  console.error(`[cossistant] ${code}: ${text}`, ...more);
}

const sheets = new Map<string, CSSStyleSheet>();

/** A style sheet that all widgets of a page share. Made by script, it needs no permission of the page's policy. */
export function sheetOf(text: string): CSSStyleSheet {
  let sheet = sheets.get(text);
  if (!sheet) {
    sheet = new CSSStyleSheet();
    sheet.replaceSync(text);
    sheets.set(text, sheet);
  }
  return sheet;
}

/** What the browser makes of a colour: a name, or another form. A canvas is out of reach of the page's rules. */
export function computedColor(color: string): string | undefined {
  if (!CSS.supports("color", color)) return undefined;
  const context = document.createElement("canvas").getContext("2d");
  if (!context) return undefined;
  context.fillStyle = color;
  return String(context.fillStyle);
}
