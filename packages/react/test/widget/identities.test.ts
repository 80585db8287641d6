/** Making a known person of the visitor, whatever becomes of the client meanwhile. */

import type { Client } from "@cossistant/client";
import { beforeEach, expect, test } from "vitest";

import { createIdentities } from "../../src/widget/identities.js";

const tokenOf = (sub: string) => `h.${btoa(JSON.stringify({ sub }))}.s`;

/** A client that is connected when a test says so. */
class FakeClient {
  isConnected = false;
  readonly told: string[] = [];
  /** What becomes of an identity that is told. */
  answer: () => Promise<void> = async () => {};

  getSnapshot = () => ({ isConnected: this.isConnected });
  identify = (token: string) => {
    this.told.push(token);
    return this.answer();
  };
  request = async () => ({ conversations: [{ conversationId: "c1", status: "open" }] });
}

let client: FakeClient;
let listeners: Set<() => void>;
let followed: string[];
beforeEach(() => {
  localStorage.clear();
  client = new FakeClient();
  listeners = new Set();
  followed = [];
});

const make = () =>
  createIdentities({
    server: "https://a.example",
    publicKey: "pk_1",
    // It has all that is used of one.
    client: () => client as unknown as Client,
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    follow: (id) => void followed.push(id),
  });

function connect(): void {
  client.isConnected = true;
  for (const listener of [...listeners]) listener();
}

test("the same person is told once, and again when the server has made another visitor", async () => {
  const identities = make();
  connect();
  await identities.identify(tokenOf("ada"));
  await identities.identify(tokenOf("ada"));
  expect(client.told).toEqual([tokenOf("ada")]);
  identities.renew();
  await expect.poll(() => client.told).toEqual([tokenOf("ada"), tokenOf("ada")]);
  expect(followed.at(-1)).toBe("c1");
});

test("after a refusal that came before the page said who it is, it is told", async () => {
  connect();
  await make().identify(tokenOf("ada"));
  const later = make();
  later.renew();
  await later.identify(tokenOf("ada"));
  expect(client.told).toHaveLength(2);
});

test("who waits for a connection goes on with the next client, and is told once", async () => {
  const identities = make();
  const done = identities.identify(tokenOf("ada"));
  client = new FakeClient();
  identities.renew();
  connect();
  await done;
  expect(client.told).toEqual([tokenOf("ada")]);
  expect(listeners.size).toBe(0);
});

test("what a client that was given up could not say, the next one says", async () => {
  const identities = make();
  client.answer = () => {
    client = new FakeClient();
    client.isConnected = true;
    return Promise.reject(new Error("gone"));
  };
  connect();
  await identities.identify(tokenOf("ada"));
  expect(client.told).toEqual([tokenOf("ada")]);
});

test("who is forgotten is not told any more, neither to the client before nor to the next one", async () => {
  const identities = make();
  const waiting = identities.identify(tokenOf("ada"));
  identities.forget();
  await expect(waiting).rejects.toThrow("forgotten");
  client.answer = () => {
    identities.forget();
    client = new FakeClient();
    client.isConnected = true;
    return Promise.reject(new Error("gone"));
  };
  connect();
  await expect(identities.identify(tokenOf("ada"))).rejects.toThrow("gone");
  identities.renew();
  expect(client.told).toEqual([]);
  expect(localStorage.length).toBe(0);
});

test("nobody waits when the session has ended", async () => {
  const identities = make();
  const waiting = identities.identify(tokenOf("ada"));
  identities.end();
  await expect(waiting).rejects.toThrow();
  expect(listeners.size).toBe(0);
});
