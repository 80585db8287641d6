/** One way to the server at a time: a WebSocket, or another tab that has one. */

import type { Endpoint } from "./credentials.js";

/** What happens on a link. After `failed` and `closed` nothing more comes. */
export interface LinkListener {
  /** Frames may go. */
  opened(): void;
  /** It could not be opened. */
  failed(): void;
  /** It was open, and is gone. */
  closed(code: number, reason: string): void;
  /** A frame; what is no text is no message. */
  received(data: unknown): void;
  /** Something went wrong; `failed` or `closed` follows. */
  troubled(event: Event): void;
}

/** A link, from its dialling to its end. */
export interface Link {
  /** Sends a frame, or drops it when the link is not open. */
  send(text: string): void;
  /** Ends it. Its listener hears nothing more. */
  close(code: number): void;
  /** The socket of this tab, if it has one. */
  readonly socket: WebSocket | null;
}

/** Opens a link. */
export type Dial = (endpoint: Endpoint, listener: LinkListener) => Link;

/** A link by a WebSocket of one's own. */
export const dialSocket: Dial = (endpoint, listener) => {
  let socket: WebSocket;
  try {
    socket = new WebSocket(endpoint.url, endpoint.protocols);
  } catch {
    listener.troubled(new Event("error"));
    listener.failed();
    return { send() {}, close() {}, socket: null };
  }
  let isOpen = false;
  socket.onopen = () => {
    isOpen = true;
    listener.opened();
  };
  socket.onmessage = ({ data }) => listener.received(data);
  socket.onerror = (event) => listener.troubled(event);
  socket.onclose = ({ code, reason }) => (isOpen ? listener.closed(code, reason) : listener.failed());
  return {
    send(text) {
      if (socket.readyState === 1) socket.send(text);
    },
    close(code) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      // Some implementations throw where nobody listens.
      socket.onerror = () => {};
      socket.close(code);
    },
    socket,
  };
};
