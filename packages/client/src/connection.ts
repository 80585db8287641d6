/** The present link, by generation: what a closed or replaced one still does reaches nobody. */

import type { Core } from "./core.js";
import type { Endpoint } from "./credentials.js";
import type { EngineInput } from "./engine/types.js";
import { byteLength, decode } from "./frames.js";
import type { Link } from "./link.js";

/** A message that came, and whether its type is known. */
export type Inbound = Extract<EngineInput, { type: "inbound" }> & { readonly isKnown: boolean };

/** The socket of a client, one at a time. */
export interface Connection {
  /** Opens a link for this generation. */
  dial(generation: number): void;
  /** Sends a frame on the link of this generation. */
  send(generation: number, text: string): void;
  /** Ends the link of this generation; without one, whichever there is. */
  close(code: number, generation?: number): void;
  /** The socket of this tab. */
  socket(): WebSocket | null;
  /** Bytes so far. */
  readonly bytes: { bytesSent: number; bytesReceived: number };
}

/** Makes a connection that has no link yet. */
export function createConnection(core: Core): Connection {
  let present: { readonly generation: number; link?: Link } | undefined;
  const bytes = { bytesSent: 0, bytesReceived: 0 };

  return {
    dial(generation) {
      const own: NonNullable<typeof present> = { generation };
      present = own;
      const hand = (input: EngineInput | Inbound) => {
        if (present === own) core.session.input(input);
      };
      const end = (input: EngineInput) => {
        if (present !== own) return;
        present = undefined;
        core.session.input(input);
      };
      const failed = () => end({ type: "dialFailed", generation });
      core.log("dialling", generation);
      let endpoint: Endpoint;
      try {
        endpoint = core.credentials.endpoint();
      } catch (error) {
        console.error("[cossistant] cannot connect", error);
        return failed();
      }
      own.link = core.dial(endpoint, {
        opened: () => hand({ type: "opened", generation }),
        failed,
        closed(code, reason) {
          core.log("closed", code, reason);
          end({ type: "closed", generation, code, reason });
        },
        received(data) {
          if (typeof data === "string") bytes.bytesReceived += byteLength(data);
          const frame = decode(data);
          const isMessage = "message" in frame;
          core.log(isMessage ? "received" : "skipped", isMessage ? frame.message.type : frame);
          hand(isMessage ? { type: "inbound", generation, ...frame } : { type: "invalid", generation });
        },
        troubled(event) {
          if (present === own) core.events.tell("onError", event);
        },
      });
    },
    send(generation, text) {
      if (present?.generation !== generation) return;
      bytes.bytesSent += byteLength(text);
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
