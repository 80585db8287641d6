/** A model server, a fake client, and between them a network that a test lets run in any order. */

import { FakeSource, settle } from "./fake.js";
import { Model, SELF } from "./model.js";
import type { ServerMessages } from "@cossistant/protocol/types";
import type { PendingRequest } from "./fake.js";

export class World {
  readonly source = new FakeSource();
  readonly model: Model;
  /** What is on its way over the connection, in order. */
  readonly wire: (() => void)[] = [];
  /** Answers that the server has given and that have not arrived, in any order. */
  readonly answers: (() => void)[] = [];
  private readonly answered = new Set<PendingRequest>();
  /** Channels that the server has subscribed this client to. */
  private readonly subscribed = new Set<string>();
  /** The newest place seen in each channel. */
  private readonly places = new Map<string, number>();

  constructor(private readonly replayLimit = 1_000) {
    this.model = new Model((event) => this.publish(event));
    this.source.now = () => this.model.clock;
    this.source.onFact((fact) => {
      if (fact.type !== "subscription") return;
      const { channel, state: { type } } = fact;
      if (type === "pending" && this.source.isConnected) this.wire.push(() => this.subscribe(channel));
      if (type !== "released") return;
      this.subscribed.delete(channel);
      this.places.delete(channel);
    });
  }

  connect(): void {
    this.source.connect(SELF);
    for (const channel of this.source.holds.keys()) this.wire.push(() => this.subscribe(channel));
  }

  disconnect(): void {
    this.wire.length = 0;
    this.subscribed.clear();
    this.source.disconnect();
  }

  /** The server answers a request: with what is so now, though it arrives later. */
  serve(pending: PendingRequest | undefined): void {
    if (!pending || this.answered.has(pending)) return;
    this.answered.add(pending);
    const value = structuredClone(this.model.answer(pending.path));
    this.answers.push(() => pending.answer(value));
  }

  unserved(): PendingRequest[] {
    return this.source.requests.filter((pending) => !this.answered.has(pending));
  }

  /** Everything that is on its way arrives. */
  async rest(): Promise<void> {
    for (;;) {
      await settle();
      const [pending] = this.unserved();
      if (this.wire.length > 0) this.wire.shift()?.();
      else if (this.answers.length > 0) this.answers.shift()?.();
      else if (pending) this.serve(pending);
      else return;
    }
  }

  private subscribe(channel: string): void {
    const after = this.places.get(channel);
    const events = after === undefined ? [] : this.model.replay(channel, after);
    const isRecovered = events.length <= this.replayLimit;
    const replayed = isRecovered ? structuredClone(events) : [];
    const confirmation = this.model.confirmation(channel, replayed.length, isRecovered);
    this.subscribed.add(channel);
    this.wire.push(() => {
      if (!isRecovered) this.source.resync(channel);
      if (replayed.length === 0) this.places.set(channel, confirmation.head);
      this.source.subscription(channel, { type: "confirmed" });
      this.source.say(confirmation);
    });
    for (const event of replayed) this.wire.push(() => this.say(event));
  }

  private publish(event: ServerMessages): void {
    const site = "websiteId" in event ? `website:${event.websiteId}` : "";
    const ids = "conversationIds" in event && event.conversationIds ? event.conversationIds : [];
    const channels = [site, ...ids.map((id) => `conversation:${id}`)];
    if ("conversationId" in event) channels.push(`conversation:${event.conversationId}`);
    if (!channels.some((channel) => this.subscribed.has(channel))) return;
    this.wire.push(() => this.say(event));
  }

  private say(event: ServerMessages): void {
    if ("seq" in event && "websiteId" in event) {
      this.seen(`conversation:${event.conversationId}`, event.seq);
      this.seen(`website:${event.websiteId}`, event.offset ?? 0);
    }
    this.source.say(event);
  }

  private seen(channel: string, place: number): void {
    if (this.source.states.get(channel)?.type !== "confirmed") return;
    this.places.set(channel, Math.max(place, this.places.get(channel) ?? 0));
  }
}
