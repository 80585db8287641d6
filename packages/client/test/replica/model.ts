/** A server as simple as it can be, seen by a member of the team: what the replica must come to show. */

import type {
  ActivityState,
  ConversationStatus,
  MessageUpdated,
  NewMessage,
  SeenState,
  ServerMessages,
  SubscriptionConfirmed,
  TypingState,
  UserType,
} from "@cossistant/protocol/types";

import type { InboxFilter } from "../../src/index.js";

export const SITE = "site";
export const ORGANIZATION = "org";
const ON_SITE = { websiteId: SITE, organizationId: ORGANIZATION };

export interface Person {
  readonly userId: string;
  readonly userType: UserType;
}

interface Thread {
  readonly id: string;
  visitorId: string;
  status: ConversationStatus;
  assignee: string | null;
  readonly createdAt: string;
  activeAt: string;
  readonly events: (ServerMessages & { seq: number; offset?: number })[];
  readonly messages: NewMessage[];
  seen: SeenState[];
  typing: TypingState[];
  viewing: string[];
  activity: ActivityState[];
}

export const SELF: Person = { userId: "ann", userType: "user" };

export class Model {
  readonly threads = new Map<string, Thread>();
  readonly online = new Set<string>();
  /** Who stands for somebody now. */
  private readonly aliases = new Map<string, string>();
  readonly epoch = "epoch";
  readonly log: (ServerMessages & { offset?: number })[] = [];
  clock = Date.parse("2026-01-01T00:00:00.000Z");
  private ids = 0;

  constructor(private readonly tell: (event: ServerMessages) => void) {}

  // What happens. Each is told at once.

  create(id: string, name: string): Thread {
    const visitorId = this.aliases.get(name) ?? name;
    const createdAt = this.time();
    const thread: Thread = {
      id,
      visitorId,
      status: "open",
      assignee: null,
      createdAt,
      activeAt: createdAt,
      events: [],
      messages: [],
      seen: [],
      typing: [],
      viewing: [],
      activity: [],
    };
    this.threads.set(id, thread);
    this.durable(thread, createdAt, { type: "conversation_created", visitorId, createdAt });
    return thread;
  }

  post(id: string, sender: Person, text: string, clientMessageId?: string): NewMessage {
    const thread = this.thread(id);
    this.type(id, sender, false);
    const createdAt = this.time();
    const message = this.durable(thread, createdAt, {
      type: "new_message",
      messageId: `msg-${(this.ids += 1)}`,
      content: { text },
      senderType: sender.userType,
      senderId: sender.userId,
      createdAt,
      visibility: "public",
      ...(clientMessageId && { clientMessageId }),
    }) as NewMessage;
    thread.messages.push(message);
    if (sender.userType === "visitor" && thread.status === "resolved") this.status(id, "open");
    return message;
  }

  /** Edits, or with null deletes. */
  edit(id: string, messageId: string, text: string | null): void {
    const thread = this.thread(id);
    const message = thread.messages.find((other) => other.messageId === messageId);
    if (!message || message.deleted) return;
    const updatedAt = this.time();
    const content = text === null ? null : { text };
    Object.assign(message, { content, updatedAt, ...(text === null && { deleted: true }) });
    this.durable(thread, updatedAt, { type: "message_updated", messageId, content, updatedAt, deleted: text === null });
  }

  status(id: string, status: ConversationStatus): void {
    const thread = this.thread(id);
    if (thread.status === status) return;
    thread.status = status;
    this.durable(thread, this.time(), { type: "conversation_status_changed", status });
  }

  assign(id: string, assignedTeamMemberId: string | null): void {
    const thread = this.thread(id);
    if (thread.assignee === assignedTeamMemberId) return;
    thread.assignee = assignedTeamMemberId;
    this.durable(thread, this.time(), { type: "conversation_assigned", assignedTeamMemberId });
  }

  type(id: string, person: Person, isTyping: boolean): void {
    const thread = this.thread(id);
    const isKnown = thread.typing.some((other) => isSame(other, person));
    if (isKnown === isTyping) return;
    thread.typing = thread.typing.filter((other) => !isSame(other, person));
    if (isTyping) thread.typing.push({ ...person });
    if (!isSame(person, SELF)) this.tell({ type: "typing_indicator", conversationId: id, ...person, isTyping, ...ON_SITE });
  }

  draft(id: string, person: Person, content: string): void {
    this.type(id, person, true);
    if (!isSame(person, SELF)) this.tell({ type: "typing_progress", conversationId: id, ...person, content, ...ON_SITE });
  }

  see(id: string, person: Person, lastSeenSeq: number): void {
    const thread = this.thread(id);
    const old = thread.seen.find((other) => isSame(other, person))?.lastSeenSeq ?? 0;
    if (lastSeenSeq <= old) return;
    thread.seen = [...thread.seen.filter((other) => !isSame(other, person)), { ...person, lastSeenSeq }];
    const seenAt = this.time();
    this.tell({ type: "conversation_seen", conversationId: id, ...person, lastSeenSeq, seenAt, ...ON_SITE });
  }

  view(id: string, userId: string, isViewing: boolean): void {
    const thread = this.thread(id);
    if (thread.viewing.includes(userId) === isViewing) return;
    thread.viewing = thread.viewing.filter((other) => other !== userId);
    if (isViewing) thread.viewing.push(userId);
    this.tell({ type: "viewing_indicator", conversationId: id, userId, isViewing, ...ON_SITE });
  }

  act(id: string, userId: string, phase: string): void {
    const thread = this.thread(id);
    thread.activity = thread.activity.filter((other) => other.userId !== userId);
    if (phase !== "done") thread.activity.push({ userId, phase });
    this.tell({ type: "agent_activity", conversationId: id, userId, phase, ...ON_SITE });
  }

  visit(name: string, isOnline: boolean): void {
    const visitorId = this.aliases.get(name) ?? name;
    if (this.online.has(visitorId) === isOnline) return;
    if (isOnline) this.online.add(visitorId);
    else this.online.delete(visitorId);
    const ids = this.openOf(visitorId);
    const [conversationId] = ids;
    if (conversationId === undefined) return;
    const type = isOnline ? "visitor_online" : "visitor_offline";
    this.tell({ type, conversationId, conversationIds: ids, visitorId, ...ON_SITE });
  }

  /** The visitor turns out to be somebody known, who takes over all that is the visitor's. */
  identify(previousVisitorId: string, visitorId: string): void {
    if (previousVisitorId === visitorId) return;
    this.aliases.set(previousVisitorId, visitorId);
    const theirs = [...this.threads.values()].filter((thread) => thread.visitorId === previousVisitorId);
    for (const thread of theirs) {
      thread.visitorId = visitorId;
      for (const message of thread.messages) if (message.senderType === "visitor") message.senderId = visitorId;
      for (const person of [...thread.seen, ...thread.typing]) if (person.userType === "visitor") person.userId = visitorId;
    }
    const conversationIds = theirs.map(({ id }) => id);
    const identity = { name: visitorId };
    this.tell({ type: "visitor_identified", visitorId, previousVisitorId, conversationIds, identity, ...ON_SITE });
    // The old connections end. They come back as the person, who is told to be online.
    const wasOnline = this.online.delete(previousVisitorId);
    if (wasOnline) this.online.add(visitorId);
    const ids = this.openOf(visitorId);
    const [conversationId] = ids;
    if (conversationId === undefined) return;
    const type = this.online.has(visitorId) ? "visitor_online" : "visitor_offline";
    this.tell({ type, conversationId, conversationIds: ids, visitorId, ...ON_SITE });
  }

  // What is asked.

  confirmation(channel: string, replayed = 0, recovered = true): SubscriptionConfirmed {
    const told = { type: "subscription_confirmed", channel, epoch: this.epoch, recovered, replayed } as const;
    if (channel === `website:${SITE}`) {
      const online = [...this.online]
        .map((visitorId) => ({ visitorId, conversationIds: this.openOf(visitorId) }))
        .filter(({ conversationIds }) => conversationIds.length > 0);
      const typing = [...this.threads.values()].flatMap(({ id, typing }) =>
        typing.filter((other) => !isSame(other, SELF)).map((person) => ({ ...person, conversationId: id })),
      );
      return structuredClone({ ...told, head: this.log.length, online, typing });
    }
    const thread = this.thread(channel.replace("conversation:", ""));
    return structuredClone({
      ...told,
      head: thread.events.length,
      visitorId: thread.visitorId,
      status: thread.status,
      assignedTeamMemberId: thread.assignee,
      seen: thread.seen,
      typing: thread.typing.filter((other) => !isSame(other, SELF)),
      viewing: thread.viewing.map((userId) => ({ userId })),
      activity: thread.activity,
      online: this.online.has(thread.visitorId),
    });
  }

  /** The durable events of a channel past a place, as they are replayed. */
  replay(channel: string, after: number): ServerMessages[] {
    const events = channel === `website:${SITE}` ? this.log : this.thread(channel.replace("conversation:", "")).events;
    return events.slice(after);
  }

  /** Answers a GET. */
  answer(path: string): unknown {
    const url = new URL(path, "http://server");
    const query = Object.fromEntries(url.searchParams);
    const [, , kind, id = "", part] = url.pathname.split("/");
    if (kind === "websites") return this.list(query, query["cursor"], Number(query["limit"] ?? 50));
    if (part === undefined) return this.item(this.thread(id));
    const before = Number(query["before"] ?? Infinity);
    const all = this.thread(id).messages.filter(({ seq }) => seq < before);
    const limit = Number(query["limit"] ?? 50);
    return structuredClone({ messages: all.slice(-limit), hasMore: all.length > limit });
  }

  /** The conversations that a filter lets through, newest activity first. */
  listed(filter: InboxFilter): Thread[] {
    const { status, assignee } = filter;
    const wanted = assignee === "me" ? SELF.userId : assignee === "none" ? null : assignee;
    return [...this.threads.values()]
      .filter((thread) => !status || thread.status === status)
      .filter((thread) => assignee === undefined || thread.assignee === wanted)
      .sort((a, b) => (a.activeAt < b.activeAt || (a.activeAt === b.activeAt && a.id < b.id) ? 1 : -1));
  }

  item(thread: Thread) {
    return structuredClone({
      conversationId: thread.id,
      websiteId: SITE,
      visitorId: thread.visitorId,
      status: thread.status,
      assignedTeamMemberId: thread.assignee,
      createdAt: thread.createdAt,
      lastActivityAt: thread.activeAt,
      lastMessage: thread.messages.at(-1) ?? null,
      unreadCount: this.unread(thread),
      online: this.online.has(thread.visitorId),
    });
  }

  unread(thread: Thread): number {
    const mark = thread.seen.find((other) => isSame(other, SELF))?.lastSeenSeq ?? 0;
    return thread.messages.filter(
      ({ seq, senderType, senderId, deleted }) =>
        seq > mark && !deleted && !isSame({ userType: senderType, userId: senderId }, SELF),
    ).length;
  }

  thread(id: string): Thread {
    const thread = this.threads.get(id);
    if (!thread) throw new Error(`no conversation ${id}`);
    return thread;
  }

  private list(filter: InboxFilter, cursor: string | undefined, limit: number) {
    const all = this.listed(filter);
    const from = cursor === undefined ? 0 : all.findIndex(({ activeAt, id }) => `${activeAt} ${id}` < cursor);
    const page = from < 0 ? [] : all.slice(from, from + limit);
    const last = page.at(-1);
    const hasMore = from >= 0 && all.length > from + limit;
    return {
      conversations: page.map((thread) => this.item(thread)),
      nextCursor: hasMore && last ? `${last.activeAt} ${last.id}` : null,
    };
  }

  private openOf(visitorId: string): string[] {
    return this.listed({})
      .filter((thread) => thread.visitorId === visitorId && thread.status !== "closed")
      .map(({ id }) => id)
      .slice(0, 20);
  }

  private durable(thread: Thread, at: string, fields: object): ServerMessages {
    thread.activeAt = at;
    const place = { conversationId: thread.id, ...ON_SITE, seq: thread.events.length + 1, offset: this.log.length + 1 };
    const event = { ...fields, ...place } as NewMessage | MessageUpdated;
    thread.events.push(event);
    this.log.push(event);
    this.tell(structuredClone(event));
    return event;
  }

  private time(): string {
    this.clock += 1_000;
    return new Date(this.clock).toISOString();
  }
}

function isSame(a: Person, b: Person): boolean {
  return a.userId === b.userId && a.userType === b.userType;
}
