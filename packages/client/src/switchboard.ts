/** One connection and many links: whose answer is whose, who hears what, and what the server must be told. */

import type { ClientMessages, ConnectionEstablished, ServerMessages } from "@cossistant/protocol/types";

/** Requests that may be without an answer; the oldest is forgotten beyond it. */
const MAX_REQUESTS = 10_000;

/** A link that says nothing for so long is gone, in ms. Every engine pings far more often, also in a hidden tab. */
const SILENT_FOR = 180_000;

/** Messages that answer a request when they have an id. */
const ANSWERS = new Set<string>([
  "pong",
  "authenticated",
  "subscription_confirmed",
  "subscription_error",
  "subscription_ended",
  "message_ack",
  "error",
] satisfies ServerMessages["type"][]);

/** The middle between links and the server. */
export interface Switchboard {
  /** A link begins. It is told of the connection as soon as that is established. */
  join(link: string): void;
  /** A link ends, and with it what it alone was subscribed to. */
  leave(link: string): void;
  /** A frame of a link. False when there is no such link. */
  up(link: string, text: string): boolean;
  /** A frame of the server. */
  down(text: string): void;
}

/** A message of which only the parts are read that say where it belongs. */
interface Routed {
  readonly type?: unknown;
  readonly id?: unknown;
  readonly channel?: string;
  readonly websiteId?: string;
  readonly conversationId?: string;
  readonly conversationIds?: readonly string[];
  readonly expiresAt?: string;
}

/** What the server said of the connection, and when. */
interface Known {
  readonly message: ConnectionEstablished;
  readonly at: number;
}

/**
 * Makes one without links. `deliver` hands a frame of the server to links, `forward` one of a link to the server.
 *
 * A link hears the events of what it is subscribed to. Each engine drops what it had before, so a replay that one link
 * asked for does no harm to the others.
 */
export function createSwitchboard(
  deliver: (to: readonly string[], text: string) => void,
  forward: (text: string) => void,
  now: () => number = () => performance.now(),
): Switchboard {
  const links = new Map<string, { readonly channels: Set<string>; heardAt: number }>();
  const requests = new Map<string, { readonly link: string; readonly id: string }>();
  const prefix = crypto.randomUUID().slice(0, 8);
  let numbers = 0;
  let established: Known | undefined;

  const isHeld = (channel: string) => [...links.values()].some(({ channels }) => channels.has(channel));

  const leave = (link: string) => {
    const channels = links.get(link)?.channels ?? [];
    links.delete(link);
    for (const channel of channels) {
      if (isHeld(channel)) continue;
      const [kind, id] = channel.split(":");
      // Its answer is nobody's.
      forward(JSON.stringify({ type: `unsubscribe_${kind}`, [`${kind}Id`]: id, id: nextId() }));
    }
  };

  const nextId = () => `${prefix}-${++numbers}`;

  const note = (id: string, request: { link: string; id: string }) => {
    requests.delete(id);
    requests.set(id, request);
    for (const oldest of requests.keys()) {
      if (requests.size <= MAX_REQUESTS) break;
      requests.delete(oldest);
    }
  };

  const sweep = () => {
    for (const [link, { heardAt }] of links) if (now() - heardAt > SILENT_FOR) leave(link);
  };

  return {
    join(link) {
      links.set(link, { channels: new Set(), heardAt: now() });
      if (!established) return;
      const { message, at } = established;
      deliver([link], JSON.stringify({ ...message, serverTime: message.serverTime + Math.round(now() - at) }));
    },
    leave,
    up(link, text) {
      const known = links.get(link);
      if (!known) return false;
      known.heardAt = now();
      sweep();
      // The frames of links are made by this very code.
      const message = JSON.parse(text) as ClientMessages;
      const { id } = message;
      switch (message.type) {
        case "send_message":
          // Its id is the application's, and no two messages have the same.
          if (id !== undefined) note(id, { link, id });
          forward(text);
          return true;
        case "subscribe_conversation":
        case "subscribe_website":
          known.channels.add(channelOf(message));
          break;
        case "unsubscribe_conversation":
        case "unsubscribe_website": {
          const channel = channelOf(message);
          known.channels.delete(channel);
          if (isHeld(channel)) {
            deliver([link], JSON.stringify({ type: "subscription_ended", channel, id }));
            return true;
          }
          break;
        }
        default:
      }
      if (id === undefined) {
        forward(text);
      } else {
        const unique = nextId();
        note(unique, { link, id });
        forward(JSON.stringify({ ...message, id: unique }));
      }
      return true;
    },
    down(text) {
      const everybody = [...links.keys()];
      const message = parse(text);
      const { type, id, channel } = message;
      established = follow(established, message, now());
      if (typeof id === "string" && ANSWERS.has(String(type))) {
        const request = requests.get(id);
        requests.delete(id);
        if (!request) return;
        if (type === "subscription_error" && channel) links.get(request.link)?.channels.delete(channel);
        if (links.has(request.link)) deliver([request.link], JSON.stringify({ ...message, id: request.id }));
        return;
      }
      if (type === "subscription_ended" && channel) {
        for (const { channels } of links.values()) channels.delete(channel);
      }
      deliver(
        everybody.filter((link) => isFor(message, links.get(link)?.channels)),
        text,
      );
    },
  };
}

/** The connection as it is by now, from what was known of it and what is told. */
function follow(known: Known | undefined, { type, ...fields }: Routed, now: number): Known | undefined {
  // Whoever joins judges the message as if it came from the server.
  if (type === "connection_established") return { message: { type, ...fields } as ConnectionEstablished, at: now };
  if (!known) return undefined;
  const { message, at } = known;
  if (type === "authenticated") return { message: { ...message, expiresAt: fields.expiresAt }, at };
  if (message.team && (type === "team_online" || type === "team_offline")) {
    return { message: { ...message, team: { ...message.team, online: type === "team_online" } }, at };
  }
  return known;
}

function channelOf(message: { conversationId: string } | { websiteId: string }): string {
  return "websiteId" in message ? `website:${message.websiteId}` : `conversation:${message.conversationId}`;
}

/** A frame that is no message is everybody's, to count it. */
function parse(text: string): Routed {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value ? value : {};
  } catch {
    return {};
  }
}

/** Whether somebody with these subscriptions is to hear a message. What belongs to no conversation is for all. */
function isFor({ conversationId, conversationIds, websiteId }: Routed, channels: Set<string> | undefined): boolean {
  if (conversationId === undefined || !channels) return true;
  const conversations = Array.isArray(conversationIds) ? conversationIds : [conversationId];
  return channels.has(`website:${websiteId}`) || conversations.some((id) => channels.has(`conversation:${id}`));
}
