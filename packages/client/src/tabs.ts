/**
 * One connection for all tabs of an origin.
 *
 * Every tab runs its own engine; only the link differs. The tab that holds the lock owns the one socket, the links of
 * all others lead to it over a `BroadcastChannel`. When the owner goes, all links end as by the loss of a socket: each
 * engine dials anew, the first one takes the lock, and each resumes by its own places.
 */

import type { Dial, Link, LinkListener } from "./link.js";
import type { Log } from "./log.js";
import { principalName } from "./principal.js";
import { createSwitchboard, type Switchboard } from "./switchboard.js";

/** An owner that does not answer within this time is frozen, in ms. */
const ANSWER_WITHIN = 2_000;

/** An owner that is hidden for so long gives way to a tab that is seen, in ms. */
const HIDDEN_FOR = 5_000;

/** What tabs tell each other. `from` is one link of a tab, `to` are those that are meant. */
type Note =
  /** A link begins, or ends. */
  | { readonly type: "join" | "leave"; readonly from: string }
  /** The tab of this link is seen. */
  | { readonly type: "seen"; readonly from: string }
  /** A frame for the server. */
  | { readonly type: "up"; readonly from: string; readonly text: string }
  /** The owner is there; the connection may not be, yet. */
  | { readonly type: "here"; readonly to: readonly string[] }
  /** A frame of the server. The first one says that the connection is established. */
  | { readonly type: "down"; readonly to: readonly string[]; readonly text: string }
  /** The owner is hidden: who is seen? */
  | { readonly type: "hidden" }
  /** The owner gives way to this one. */
  | { readonly type: "yours"; readonly to: readonly string[] }
  /** These links are gone; all, if none is named. */
  | { readonly type: "over"; readonly to?: readonly string[]; readonly code: number; readonly reason: string };

/** Links that share one socket with those of other tabs, for the same server and principal. */
export function createSharedDial(dialOwn: Dial, log: Log): Dial {
  // Whether the next dial takes the lock from its owner, who has agreed to it.
  let isHeir = false;
  return (endpoint, listener) => {
    const name = principalName(endpoint);
    if (!name || !navigator.locks || typeof BroadcastChannel !== "function") {
      log("sharing a connection is not possible here");
      return dialOwn(endpoint, listener);
    }
    const isTaking = isHeir;
    isHeir = false;
    const tie = createTie(`cossistant ${name}`, listener, log);
    const own = () => {
      tie.role = createOwner(tie, (heard) => dialOwn(endpoint, heard));
    };
    const follow = () => {
      const inherit = () => {
        isHeir = true;
      };
      tie.role = createFollower(tie, own, inherit);
    };
    if (isTaking) tie.hold({ steal: true }, own);
    else tie.hold({ ifAvailable: true }, own, follow);
    return {
      send: (text) => tie.role?.send(text),
      close(code) {
        tie.role?.leave(code);
        tie.end();
      },
      get socket() {
        return tie.role?.socket() ?? null;
      },
    };
  };
}

/** What a tab is to the connection. */
interface Role {
  /** A note of another tab. */
  hear(note: Note): void;
  /** A frame of this tab for the server. */
  send(text: string): void;
  /** This tab leaves the connection. */
  leave(code: number): void;
  /** The socket, if it is this tab's. */
  socket(): WebSocket | null;
}

/** One link of a tab, whatever the tab is to the connection. */
interface Tie {
  readonly self: string;
  readonly name: string;
  readonly listener: LinkListener;
  readonly log: Log;
  /** What is to be done at its end. */
  readonly ends: (() => void)[];
  role?: Role;
  isEnded(): boolean;
  post(note: Note): void;
  /** Frames may go; said once. */
  open(): void;
  /** Ends it without a word to its listener. */
  end(): boolean;
  /** Ends it, and says so. */
  lose(code: number, reason: string): void;
  /** Asks for the lock, which is held until the end or until another tab takes it. */
  hold(options: LockOptions, granted: () => void, isTaken?: () => void): void;
}

function createTie(name: string, listener: LinkListener, log: Log): Tie {
  const channel = new BroadcastChannel(name);
  let isOpen = false;
  let isEnded = false;
  const tie: Tie = {
    self: crypto.randomUUID(),
    name,
    listener,
    log,
    ends: [() => channel.close()],
    isEnded: () => isEnded,
    post(note) {
      if (!isEnded) channel.postMessage(note);
    },
    open() {
      if (isOpen) return;
      isOpen = true;
      listener.opened();
    },
    end() {
      const wasEnded = isEnded;
      isEnded = true;
      for (const each of tie.ends.splice(0)) each();
      return !wasEnded;
    },
    lose(code, reason) {
      if (!tie.end()) return;
      if (isOpen) listener.closed(code, reason);
      else listener.failed();
    },
    hold(options, granted, isTaken) {
      const held = navigator.locks.request(name, options, (lock) => {
        if (isEnded) return undefined;
        if (!lock) return isTaken?.();
        granted();
        return new Promise<void>((letGo) => tie.ends.push(letGo));
      });
      // To the one who took it, this tab was as if frozen.
      held.catch(() => giveUp(tie, "the connection is another tab's"));
    },
  };
  channel.onmessage = ({ data }: MessageEvent<Note>) => {
    if (!isEnded) tie.role?.hear(data);
  };
  return tie;
}

function giveUp(tie: Tie, reason: string): void {
  tie.role?.leave(1000);
  tie.lose(1001, reason);
}

/** The tab that has the socket, for as long as that lasts. */
function createOwner(tie: Tie, dialOwn: (listener: LinkListener) => Link): Role {
  const { self, listener, post } = tie;
  tie.log("this tab has the connection");
  // Whoever still waits for the one before, or asked before this one could answer, is to ask again.
  post({ type: "over", code: 1001, reason: "another tab has the connection" });
  const deliver = (to: readonly string[], text: string) => {
    const others = to.filter((link) => link !== self);
    if (others.length) post({ type: "down", to: others, text });
    if (to.length > others.length && !tie.isEnded()) listener.received(text);
  };
  const board = createSwitchboard(deliver, (text) => link.send(text));
  board.join(self);
  const over = (code: number, reason: string) => {
    post({ type: "over", code, reason });
    tie.lose(code, reason);
  };
  const hiddenFor = watchOwner(
    () => post({ type: "hidden" }),
    () => giveUp(tie, "the page is frozen"),
    tie.ends,
  );
  let givenAt = -Infinity;
  const link = dialOwn({
    opened: tie.open,
    received: (data) => (typeof data === "string" ? board.down(data) : listener.received(data)),
    troubled: listener.troubled,
    failed: () => over(1006, ""),
    closed: over,
  });
  return {
    hear(note) {
      switch (note.type) {
        case "join":
          post({ type: "here", to: [note.from] });
          return board.join(note.from);
        case "leave":
          return board.leave(note.from);
        case "up":
          if (!board.up(note.from, note.text)) post({ type: "over", to: [note.from], code: 1006, reason: "" });
          return;
        case "seen":
          // One heir at a time; if it does not come, the next one may.
          if (hiddenFor() < HIDDEN_FOR || performance.now() - givenAt < HIDDEN_FOR) return;
          givenAt = performance.now();
          return post({ type: "yours", to: [note.from] });
        default:
      }
    },
    send: (text) => void board.up(self, text),
    leave(code) {
      post({ type: "over", code: 1001, reason: "the tab with the connection is gone" });
      link.close(code);
    },
    socket: () => link.socket,
  };
}

/** A tab that reaches the server through the one that has the socket. */
function createFollower(tie: Tie, own: () => void, inherit: () => void): Role {
  const { self, post } = tie;
  const waiting = new AbortController();
  const timer = setTimeout(() => {
    tie.log("the tab with the connection does not answer");
    waiting.abort();
    tie.hold({ steal: true }, own);
  }, ANSWER_WITHIN);
  const tellSeen = () => {
    if (!isHidden()) post({ type: "seen", from: self });
  };
  tie.ends.push(
    () => clearTimeout(timer),
    () => waiting.abort(),
    listenTo("visibilitychange", tellSeen),
  );
  // Granted when the owner is gone, even if it could not say so.
  navigator.locks
    .request(tie.name, { signal: waiting.signal }, () => tie.lose(1006, "the tab with the connection is gone"))
    .catch(() => {});
  post({ type: "join", from: self });
  return {
    hear(note) {
      if ("to" in note && note.to && !note.to.includes(self)) return;
      switch (note.type) {
        case "here":
          clearTimeout(timer);
          return tellSeen();
        case "down":
          tie.open();
          return tie.listener.received(note.text);
        case "hidden":
          return tellSeen();
        case "yours":
          inherit();
          post({ type: "leave", from: self });
          return tie.lose(1001, "the connection moves to this tab");
        case "over":
          return tie.lose(note.code, note.reason);
        default:
      }
    },
    send: (text) => post({ type: "up", from: self, text }),
    leave: () => post({ type: "leave", from: self }),
    socket: () => null,
  };
}

/** Watches the page of an owner; gives for how long it has been hidden, in ms. */
function watchOwner(hidden: () => void, frozen: () => void, ends: (() => void)[]): () => number {
  let hiddenAt: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(timer);
    hiddenAt = isHidden() ? (hiddenAt ?? performance.now()) : undefined;
    if (hiddenAt !== undefined) timer = setTimeout(hidden, HIDDEN_FOR);
  };
  look();
  ends.push(() => clearTimeout(timer), listenTo("visibilitychange", look), listenTo("freeze", frozen));
  return () => (hiddenAt === undefined ? 0 : performance.now() - hiddenAt);
}

function isHidden(): boolean {
  return typeof document === "object" && document.visibilityState === "hidden";
}

/** Listens to the page, if there is one; returns what ends it. */
function listenTo(type: string, listener: () => void): () => void {
  if (typeof document !== "object") return () => {};
  const page = document;
  page.addEventListener(type, listener);
  return () => page.removeEventListener(type, listener);
}
