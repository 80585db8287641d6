/**
 * One connection for all tabs of an origin.
 *
 * Every tab runs its own engine; only the link differs. The tab that holds the lock owns the one socket, the links of all
 * others lead to it over a `BroadcastChannel`. When the owner goes, all links end as by the loss of a socket: each
 * engine dials anew, the first one takes the lock, and each resumes by its own places.
 */

import type { Endpoint } from "./credentials.js";
import type { Dial, Link, LinkListener } from "./link.js";
import type { Log } from "./log.js";
import { newId } from "./outgoing.js";
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
    return dialShared({ name: `cossistant ${name}`, endpoint, listener, dialOwn, log, isTaking }, () => {
      isHeir = true;
    });
  };
}

interface SharedLink {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly listener: LinkListener;
  readonly dialOwn: Dial;
  readonly log: Log;
  /** Whether to take the lock even if somebody holds it. */
  readonly isTaking: boolean;
}

function dialShared({ name, endpoint, listener, dialOwn, log, isTaking }: SharedLink, inherit: () => void): Link {
  const self = newId();
  const channel = new BroadcastChannel(name);
  const ends: (() => void)[] = [() => channel.close()];
  let isOpen = false;
  let isEnded = false;
  let owned: { readonly link: Link; readonly board: Switchboard; hear(note: Note): void } | undefined;
  let hear: (note: Note) => void = () => {};

  const post = (note: Note) => {
    if (!isEnded) channel.postMessage(note);
  };
  const end = () => {
    const wasEnded = isEnded;
    isEnded = true;
    for (const each of ends.splice(0)) each();
    return !wasEnded;
  };
  const lose = (code: number, reason: string) => {
    if (!end()) return;
    if (isOpen) listener.closed(code, reason);
    else listener.failed();
  };
  const open = () => {
    if (isOpen) return;
    isOpen = true;
    listener.opened();
  };

  /** Owns the connection until the link ends, or another tab takes the lock. */
  const hold = (options: LockOptions, isFree: () => void = () => {}) => {
    const held = navigator.locks.request(name, options, (lock) => {
      if (isEnded) return undefined;
      if (!lock) return isFree();
      own();
      return new Promise<void>((letGo) => ends.push(letGo));
    });
    // To the one who took it, this tab was as if frozen.
    held.catch(() => giveUp("the connection is another tab's"));
  };
  const giveUp = (reason: string) => {
    post({ type: "over", code: 1001, reason });
    owned?.link.close(1000);
    lose(1001, reason);
  };

  const own = () => {
    log("this tab has the connection");
    // Whoever still waits for the one before, or asked before this one could answer, is to ask again.
    post({ type: "over", code: 1001, reason: "another tab has the connection" });
    const deliver = (to: readonly string[], text: string) => {
      const others = to.filter((link) => link !== self);
      if (others.length) post({ type: "down", to: others, text });
      if (to.length > others.length && !isEnded) listener.received(text);
    };
    const over = (code: number, reason: string) => {
      post({ type: "over", code, reason });
      lose(code, reason);
    };
    const board = createSwitchboard(deliver, (text) => owned?.link.send(text));
    board.join(self);
    const hiddenFor = watchOwner(
      () => post({ type: "hidden" }),
      () => giveUp("the page is frozen"),
      ends,
    );
    let givenAt = -Infinity;
    const answer = (note: Note) => {
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
    };
    const link = dialOwn(endpoint, {
      opened: open,
      received: (data) => (typeof data === "string" ? board.down(data) : listener.received(data)),
      troubled: listener.troubled,
      failed: () => over(1006, ""),
      closed: over,
    });
    owned = { link, board, hear: answer };
  };

  const follow = () => {
    const waiting = new AbortController();
    const timer = setTimeout(() => {
      log("the tab with the connection does not answer");
      waiting.abort();
      hold({ steal: true });
    }, ANSWER_WITHIN);
    const tellSeen = () => {
      if (!isHidden()) post({ type: "seen", from: self });
    };
    ends.push(
      () => clearTimeout(timer),
      () => waiting.abort(),
      listenTo("visibilitychange", tellSeen),
    );
    // Granted when the owner is gone, even if it could not say so.
    navigator.locks
      .request(name, { signal: waiting.signal }, () => lose(1006, "the tab with the connection is gone"))
      .catch(() => {});
    hear = (note) => {
      if ("to" in note && note.to && !note.to.includes(self)) return;
      switch (note.type) {
        case "here":
          clearTimeout(timer);
          return tellSeen();
        case "down":
          open();
          return listener.received(note.text);
        case "hidden":
          return tellSeen();
        case "yours":
          inherit();
          post({ type: "leave", from: self });
          return lose(1001, "the connection moves to this tab");
        case "over":
          return lose(note.code, note.reason);
        default:
      }
    };
    post({ type: "join", from: self });
  };

  channel.onmessage = ({ data }: MessageEvent<Note>) => {
    if (!isEnded) (owned ? owned.hear : hear)(data);
  };
  if (isTaking) hold({ steal: true });
  else hold({ ifAvailable: true }, follow);

  return {
    send(text) {
      if (owned) owned.board.up(self, text);
      else post({ type: "up", from: self, text });
    },
    close(code) {
      post(owned ? { type: "over", code: 1001, reason: "the tab is gone" } : { type: "leave", from: self });
      owned?.link.close(code);
      end();
    },
    get socket() {
      return owned?.link.socket ?? null;
    },
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
