/** A visitor as a program: says, types and reads over the real protocol. */

import { WebSocket } from "ws";

import type { Server } from "../harness/server.js";
import { until } from "../harness/wait.js";

/** One visitor with one connection. */
export class Visitor {
  readonly received: { type: string; [field: string]: unknown }[] = [];
  #sent = 0;

  private constructor(
    readonly id: string,
    private readonly server: Server,
    private readonly token: string,
    private readonly socket: WebSocket,
  ) {
    socket.on("message", (text: Buffer) => void this.received.push(JSON.parse(text.toString())));
  }

  /** Connects; `page` is the page that the visitor is on. */
  static async connect(server: Server, id: string, page = "https://shop.example/shoes"): Promise<Visitor> {
    const { websiteId, wsUrl } = server.ready;
    const { token } = await server.api<{ token: string }>("POST", "/v1/tokens", { type: "visitor", sub: id, websites: [websiteId] });
    const socket = new WebSocket(`${wsUrl}?page=${encodeURIComponent(page)}`, ["cossistant.v1", `bearer.${token}`]);
    const visitor = new Visitor(id, server, token, socket);
    await visitor.heard("connection_established");
    return visitor;
  }

  /** Waits for a message of this type that fits. */
  async heard(type: string, fits: (message: Record<string, unknown>) => boolean = () => true): Promise<Record<string, unknown>> {
    return until(`${this.id} hears ${type}`, () => this.received.find((message) => message.type === type && fits(message)), {
      describe: () => JSON.stringify(this.received.slice(-5)),
    });
  }

  async subscribe(conversationId: string): Promise<void> {
    this.tell({ type: "subscribe_conversation", conversationId });
    await this.heard("subscription_confirmed", ({ channel }) => channel === `conversation:${conversationId}`);
  }

  /** Says something, in a conversation that begins with it if there is none; resolves when it is stored. */
  async say(conversationId: string, content: string | Record<string, unknown>): Promise<void> {
    const id = `${this.id}-${(this.#sent += 1)}`;
    this.tell({ type: "send_message", id, conversationId, content: typeof content === "string" ? { text: content } : content });
    await this.heard("message_ack", (ack) => ack["id"] === id);
  }

  type(conversationId: string, content: string): void {
    this.tell({ type: "typing_progress", conversationId, content });
  }

  see(conversationId: string, seq: number): void {
    this.tell({ type: "mark_seen", conversationId, seq });
  }

  tell(message: Record<string, unknown>): void {
    this.socket.send(JSON.stringify(message));
  }

  leave(): void {
    this.socket.close();
  }
}
