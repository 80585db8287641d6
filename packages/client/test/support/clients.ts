/** Clients that end with their test. */

import { afterEach } from "vitest";

import { createClient, type Client, type WebSocketConfig, type WebSocketEventHandlers } from "../../src/index.js";
import { startScripted, type Scripted } from "./scripted.js";

const ends: (() => unknown)[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A scripted server that ends with the test. */
export async function scripted(): Promise<Scripted> {
  const server = await startScripted();
  ends.push(() => server.close());
  return server;
}

/** Runs at the end of the test. */
export function atEnd(end: () => unknown): void {
  ends.push(end);
}

/** A client that notes what its handlers were called with, and tries again quickly. */
export function makeClient(config: WebSocketConfig, handlers: WebSocketEventHandlers = {}): Client & { log: string[] } {
  const client = createClient({ reconnectDelay: 5, reconnectJitter: 0, visitorTokenStore: "memory", ...config });
  const log: string[] = [];
  client.addHandlers(() => ({
    onOpen: () => log.push("open"),
    onClose: ({ code }) => log.push(`close ${code}`),
    onError: () => log.push("error"),
    onStateChange: ({ type }) => log.push(type),
    onReconnectAttempt: (attempt) => log.push(`attempt ${attempt}`),
    onReconnectSuccess: () => log.push("success"),
    onReconnectFail: () => log.push("fail"),
    onNewMessage: ({ seq }) => log.push(`message ${seq}`),
    onMessageFailed: ({ error }) => log.push(`failed ${error.code}`),
    onResync: (channel) => log.push(`resync ${channel}`),
    onVisitorChanged: () => log.push("visitor changed"),
  }));
  client.addHandlers(() => handlers);
  ends.push(() => client.destroy());
  return Object.assign(client, { log });
}

/** The same, connecting. */
export function connectClient(config: WebSocketConfig, handlers?: WebSocketEventHandlers): Client & { log: string[] } {
  const client = makeClient(config, handlers);
  client.connect();
  return client;
}
