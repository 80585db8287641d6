/** The parts that only some clients have, each a chunk of its own: shared connections and kept messages. */

import type { Core } from "./core.js";
import { dialSocket, type Dial } from "./link.js";
import type { DeliveryChange } from "./replica/types.js";

/** What is there of them; without any, everything is in memory and each client has its own socket. */
export interface Rooms {
  /** Loads what this client needs. */
  prepare(): Promise<void>;
  /** It is known as whom the client connects. */
  known(): Promise<void>;
  /** Whether messages may be handed to the engine: not before those of an earlier page are there. */
  isReady(): boolean;
  /** A message has come a step further. */
  note(change: DeliveryChange): void;
  /** Opens links. */
  readonly dial: Dial;
  /** The client ends; what is kept stays for the next one. */
  end(): void;
}

/** Makes the rooms of a client. */
export function createRooms(_core: () => Core): Rooms {
  return {
    async prepare() {},
    async known() {},
    isReady: () => true,
    note() {},
    dial: dialSocket,
    end() {},
  };
}
