/** A server that says what a test wants it to say, in the words of the protocol. */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

import type { ClientMessages, ServerMessages } from "@cossistant/protocol/types";
import { onTestFinished } from "vitest";
import { WebSocketServer, type WebSocket } from "ws";

/** Who the server says that clients are. */
export const SELF = "grace";

/** What a test may have done otherwise. */
export interface WireOptions {
  /** Whether connections are established. Default: at once. */
  establishes?: boolean;
  /** Whether messages are acknowledged. Default: at once. */
  acknowledges?: boolean;
  /** Channels that are refused. */
  refuses?: string[];
}

/** One connection that the server has taken. */
export interface WireConnection {
  readonly socket: WebSocket;
  /** The subprotocols that were offered. */
  readonly protocols: string;
  /** What came on it. */
  readonly frames: ClientMessages[];
}

/** The server. It ends with the test. */
export class Wire {
  /** All connections that there ever were. */
  readonly connections: WireConnection[] = [];
  readonly options: WireOptions;
  readonly #http: Server;
  readonly #server: WebSocketServer;
  #seq = 0;

  private constructor(options: WireOptions, http: Server, server: WebSocketServer) {
    this.options = options;
    this.#http = http;
    this.#server = server;
    server.on("connection", (socket, request) => {
      const connection = { socket, protocols: request.headers["sec-websocket-protocol"] ?? "", frames: [] };
      this.connections.push(connection);
      socket.on("message", (data) => this.#take(connection, JSON.parse(String(data)) as ClientMessages));
      if (options.establishes !== false) this.establish(connection);
    });
  }

  /** Listens on a free port. */
  static async start(options: WireOptions = {}): Promise<Wire> {
    const handleProtocols = (offered: Set<string>) => (offered.has("cossistant.v1") ? "cossistant.v1" : false);
    // There is no history.
    const http = createServer((_, response) => void response.end(JSON.stringify({ messages: [], hasMore: false })));
    const server = new WebSocketServer({ server: http, handleProtocols });
    await new Promise<void>((listening) => http.listen(0, "127.0.0.1", listening));
    onTestFinished(() => {
      for (const socket of server.clients) socket.terminate();
      http.closeAllConnections();
      http.close();
    });
    return new Wire(options, http, server);
  }

  get url(): string {
    // It listens on TCP, so it has a port.
    return `ws://127.0.0.1:${(this.#http.address() as AddressInfo).port}/ws`;
  }

  /** How many connections are open now. */
  get open(): number {
    return this.#server.clients.size;
  }

  /** All frames of one type, over all connections. */
  frames<Type extends ClientMessages["type"]>(type: Type): Extract<ClientMessages, { type: Type }>[] {
    const isOfType = (frame: ClientMessages): frame is Extract<ClientMessages, { type: Type }> => frame.type === type;
    return this.connections.flatMap(({ frames }) => frames.filter(isOfType));
  }

  /** Says something to all who are connected. */
  say(message: ServerMessages): void {
    for (const socket of this.#server.clients) socket.send(JSON.stringify(message));
  }

  /** A chat message of somebody else comes in. */
  chat(conversationId: string, text: string): void {
    this.say(this.message(conversationId, text));
  }

  /** The next message of a conversation. */
  message(conversationId: string, text: string): Extract<ServerMessages, { type: "new_message" }> {
    this.#seq += 1;
    return {
      type: "new_message",
      conversationId,
      messageId: `msg_${this.#seq}`,
      content: { text },
      senderType: "visitor",
      senderId: "ada",
      createdAt: "2026-01-01T00:00:00.000Z",
      websiteId: "shop",
      organizationId: "acme",
      visibility: "public",
      seq: this.#seq,
    };
  }

  /** Takes a connection, as the server does once it knows who it is. */
  establish({ socket }: Pick<WireConnection, "socket">): void {
    const limits = { maxMessageBytes: 65_536, maxTextLength: 16_000, typingExpiry: 6_000 };
    const established: ServerMessages = {
      type: "connection_established",
      connectionId: `conn_${this.connections.length}`,
      serverTime: Date.now(),
      userId: SELF,
      userType: "user",
      heartbeatInterval: 30_000,
      limits,
    };
    socket.send(JSON.stringify(established));
  }

  #take(connection: WireConnection, frame: ClientMessages): void {
    connection.frames.push(frame);
    const answer = this.#answer(frame);
    if (answer) connection.socket.send(JSON.stringify(answer));
  }

  #answer(frame: ClientMessages): ServerMessages | undefined {
    switch (frame.type) {
      case "ping":
        return { type: "pong", id: frame.id };
      case "subscribe_conversation":
        return this.#subscribed(`conversation:${frame.conversationId}`, frame.id);
      case "subscribe_website":
        return this.#subscribed(`website:${frame.websiteId}`, frame.id);
      case "unsubscribe_conversation":
        return { type: "subscription_ended", channel: `conversation:${frame.conversationId}`, id: frame.id };
      case "unsubscribe_website":
        return { type: "subscription_ended", channel: `website:${frame.websiteId}`, id: frame.id };
      case "send_message": {
        if (this.options.acknowledges === false) return undefined;
        const { conversationId, id = "none", content } = frame;
        const stored = { ...this.message(conversationId, ""), content, clientMessageId: id, senderId: SELF };
        // Everybody has it before its sender knows.
        this.say({ ...stored, senderType: "user" });
        const { messageId, seq, createdAt } = stored;
        return { type: "message_ack", id, conversationId, messageId, seq, createdAt };
      }
      default:
        return undefined;
    }
  }

  #subscribed(channel: string, id: string | undefined): ServerMessages {
    if (this.options.refuses?.includes(channel)) {
      return { type: "subscription_error", channel, code: "not_found", error: "there is none", id };
    }
    return { type: "subscription_confirmed", channel, epoch: "e", head: this.#seq, recovered: true, replayed: 0, id };
  }
}
