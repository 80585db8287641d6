/** Somebody of the team as a program: a person or an AI agent, over the real protocol. */

import { WebSocket } from "ws";

import type { Server } from "../harness/server.js";
import { unique, until } from "../harness/wait.js";

/** Somebody of the team, on a WebSocket. */
export class Teammate {
  readonly received: Record<string, unknown>[] = [];

  private constructor(
    private readonly server: Server,
    readonly sub: string,
    private readonly token: string,
    private readonly socket: WebSocket,
  ) {
    socket.on("message", (data) => this.received.push(JSON.parse(String(data)) as Record<string, unknown>));
    socket.on("error", () => undefined);
  }

  static async connect(server: Server, type: "user" | "ai_agent", sub: string, name: string): Promise<Teammate> {
    const { websiteId, wsUrl } = server.ready;
    const { token } = await server.api<{ token: string }>("POST", "/v1/tokens", { type, sub, name, websites: [websiteId] });
    const member = new Teammate(server, sub, token, new WebSocket(wsUrl, ["cossistant.v1", `bearer.${token}`]));
    await member.heard("connection_established");
    return member;
  }

  say(message: Record<string, unknown>): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Waits for a message of this type. */
  async heard(type: string, fits: (message: Record<string, unknown>) => boolean = () => true): Promise<Record<string, unknown>> {
    return until(`the team hears ${type}`, () => this.received.find((message) => message["type"] === type && fits(message)), {
      describe: () => this.received.slice(-10).map((message) => JSON.stringify(message).slice(0, 200)).join("\n"),
    });
  }

  /** Says something in a conversation, and waits until it is stored. */
  async answer(conversationId: string, content: Record<string, unknown> | string, visibility = "public"): Promise<void> {
    const id = unique("answer");
    this.say({ type: "send_message", id, conversationId, content: typeof content === "string" ? { text: content } : content, visibility });
    await this.heard("message_ack", (ack) => ack["id"] === id);
  }

  /** Changes a conversation's status or assignee. */
  async change(conversationId: string, changes: Record<string, unknown>): Promise<void> {
    await this.server.api("PATCH", `/v1/conversations/${conversationId}`, changes, this.token);
  }

  leave(): void {
    this.socket.close();
  }
}
