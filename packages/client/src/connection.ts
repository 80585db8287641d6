/** The present link, by generation: what a closed or replaced one still does reaches nobody. */

import type { Endpoint } from "./credentials.js";
import type { EngineInput } from "./engine/types.js";
import { byteLength, decode } from "./frames.js";
import type { Dial, Link } from "./link.js";
import type { Log } from "./log.js";

/** A message that came, and whether its type is known. */
export type Inbound = Extract<EngineInput, { type: "inbound" }> & { readonly isKnown: boolean };

/** What a connection needs of the client. */
export interface ConnectionHost {
  input(input: EngineInput): void;
  /** Where to connect. May throw. */
  endpoint(): Endpoint;
  /** A link failed, or could not be made. */
  troubled(event: Event): void;
}

/** The socket of a client, one at a time. */
export interface Connection {
  /** Opens a link for this generation. */
  dial(generation: number, dial: Dial): void;
  /** Sends a frame on the link of this generation. */
  send(generation: number, text: string): void;
  /** Ends the link of this generation; without one, whichever there is. */
  close(code: number, generation?: number): void;
  /** The socket of this tab. */
  socket(): WebSocket | null;
  /** Bytes so far. */
  readonly bytes: { sent: number; received: number };
}

/** Makes a connection that has no link yet. */
export function createConnection(host: ConnectionHost, log: Log): Connection {
  let present: { readonly generation: number; link?: Link } | undefined;
  const bytes = { sent: 0, received: 0 };

  return {
    dial(generation, dial) {
      const own: NonNullable<typeof present> = { generation };
      present = own;
      const whilePresent =
        <Args extends unknown[]>(callback: (...args: Args) => void) =>
        (...args: Args) => {
          if (present === own) callback(...args);
        };
      const end = (input: EngineInput) => {
        present = undefined;
        host.input(input);
      };
      const failed = whilePresent(() => end({ type: "dialFailed", generation }));
      log("dialling", generation);
      let endpoint: Endpoint;
      try {
        endpoint = host.endpoint();
      } catch (error) {
        console.error("[cossistant] cannot connect", error);
        return failed();
      }
      own.link = dial(endpoint, {
        opened: whilePresent(() => host.input({ type: "opened", generation })),
        failed,
        closed: whilePresent((code, reason) => {
          log("closed", code, reason);
          end({ type: "closed", generation, code, reason });
        }),
        received: whilePresent((data) => {
          if (typeof data === "string") bytes.received += byteLength(data);
          const frame = decode(data);
          if ("message" in frame) {
            log("received", frame.message.type);
            const inbound: Inbound = { type: "inbound", generation, ...frame };
            host.input(inbound);
          } else {
            log("skipped an invalid message", frame);
            host.input({ type: "invalid", generation });
          }
        }),
        troubled: whilePresent((event) => host.troubled(event)),
      });
    },
    send(generation, text) {
      if (present?.generation !== generation) return;
      bytes.sent += byteLength(text);
      present.link?.send(text);
    },
    close(code, generation = present?.generation) {
      if (present?.generation !== generation) return;
      const link = present?.link;
      present = undefined;
      link?.close(code);
    },
    socket: () => present?.link?.socket ?? null,
    bytes,
  };
}
