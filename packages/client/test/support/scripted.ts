/** A server that does what a test says, on a real socket. */

import type { ClientMessages, ConnectionEstablished, ServerMessages } from "@cossistant/protocol/types";
import type { AddressInfo } from "node:net";
import { WebSocketServer, type WebSocket as Socket } from "ws";

import { until } from "./wait.js";

/** One connection of a client. */
export interface Peer {
  /** What it said, in order. */
  readonly frames: ClientMessages[];
  /** The subprotocols that it offered. */
  readonly offered: readonly string[];
  /** The path and query that it asked for. */
  readonly path: string;
  /** Why it ended, once it has. */
  closed?: { readonly code: number };
  readonly socket: Socket;
  say(message: ServerMessages | { type: string; [field: string]: unknown } | string): void;
  /** Takes the connection, as the server does. */
  establish(more?: Partial<ConnectionEstablished>): void;
  /** Waits for the next message of a type that nobody waited for yet. */
  next<Type extends ClientMessages["type"]>(type: Type): Promise<Extract<ClientMessages, { type: Type }>>;
}

/** A scripted server. */
export interface Scripted {
  readonly url: string;
  readonly peers: Peer[];
  /** Waits for the connection of this number, from 1. */
  peer(number: number): Promise<Peer>;
  /** Waits for it, and takes it. */
  established(number: number, more?: Partial<ConnectionEstablished>): Promise<Peer>;
  close(): Promise<void>;
}

export const ESTABLISHED: ConnectionEstablished = {
  type: "connection_established",
  connectionId: "conn_1",
  serverTime: 1_700_000_000_000,
  userId: "grace",
  userType: "user",
  heartbeatInterval: 30_000,
  limits: { maxMessageBytes: 65_536, maxTextLength: 16_000, typingExpiry: 6_000 },
};

/** Starts one. `port`: on which port, when one that was used before is to be used again. */
export async function startScripted(port = 0): Promise<Scripted> {
  const server = new WebSocketServer({ port, host: "127.0.0.1", handleProtocols: (offered) => [...offered][0] ?? false });
  await new Promise((resolve) => server.once("listening", resolve));
  const peers: Peer[] = [];
  server.on("connection", (socket, request) => peers.push(createPeer(socket, request)));
  const peer = (number: number) => until(`connection ${number}`, () => peers[number - 1]);
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`,
    peers,
    peer,
    async established(number, more) {
      const it = await peer(number);
      it.establish(more);
      return it;
    },
    close: () =>
      new Promise((resolve) => {
        for (const socket of server.clients) socket.terminate();
        server.close(() => resolve());
      }),
  };
}

function createPeer(socket: Socket, request: { url?: string; headers: Record<string, unknown> }): Peer {
  const taken = new Set<ClientMessages>();
  const peer: Peer = {
    frames: [],
    offered: String(request.headers["sec-websocket-protocol"] ?? "").split(/, */),
    path: request.url ?? "",
    socket,
    say: (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
    establish: (more) => peer.say({ ...ESTABLISHED, ...more }),
    next: (type) =>
      until(type, () => {
        const found = peer.frames.find(
          (frame): frame is Extract<ClientMessages, { type: typeof type }> => frame.type === type && !taken.has(frame),
        );
        if (found) taken.add(found);
        return found;
      }),
  };
  socket.on("message", (data) => peer.frames.push(JSON.parse(String(data))));
  socket.on("close", (code) => {
    peer.closed = { code };
  });
  return peer;
}

/** The confirmation of a conversation in which nothing has happened. */
export function confirmation(id: string | undefined, channel: string, head = 0): ServerMessages {
  return { type: "subscription_confirmed", id, channel, epoch: "e1", head, recovered: true, replayed: 0 };
}

/** A message of somebody else in a conversation. */
export function newMessage(conversationId: string, seq: number, text = `text ${seq}`): ServerMessages {
  return {
    type: "new_message",
    conversationId,
    messageId: `msg_${conversationId}_${seq}`,
    content: { text },
    senderType: "visitor",
    senderId: "ada",
    createdAt: "2026-01-01T00:00:00.000Z",
    websiteId: "website-123",
    organizationId: "org-demo",
    visibility: "public",
    seq,
  };
}

/** The ack of a message. */
export function ackOf(message: { id?: string; conversationId: string }, seq = 1): ServerMessages {
  return {
    type: "message_ack",
    id: message.id ?? "",
    conversationId: message.conversationId,
    messageId: `msg_${seq}`,
    seq,
    createdAt: "2026-01-01T00:00:00.000Z",
  };
}
