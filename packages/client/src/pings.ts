/** Pings of the application that wait for their pong. */

import type { Core } from "./core.js";
import { PingError } from "./errors.js";
import { newId } from "./outgoing.js";

/** The pings of a client. */
export interface Pings {
  /** See `Client.ping`. */
  ping(): Promise<number>;
  /** One was answered. */
  answered(id: string, latency: number): void;
  /** One failed, or all. */
  failed(id?: string): void;
}

/** Makes an empty list. */
export function createPings(core: Core): Pings {
  const waiting = new Map<string, { resolve(latency: number): void; reject(error: PingError): void }>();
  const failed = (id: string) => {
    waiting.get(id)?.reject(new PingError("not sent, or no answer in time"));
    waiting.delete(id);
  };
  return {
    ping() {
      const id = newId();
      const promise = new Promise<number>((resolve, reject) => waiting.set(id, { resolve, reject }));
      promise.catch(() => {});
      if (!core.session.input({ type: "ping", id })) failed(id);
      return promise;
    },
    answered(id, latency) {
      waiting.get(id)?.resolve(latency);
      waiting.delete(id);
    },
    failed(id) {
      for (const each of id === undefined ? [...waiting.keys()] : [id]) failed(each);
    },
  };
}
