/** What Zod gives is what the types say. */

import { expectTypeOf, it } from "vitest";
import type { z } from "zod";

import type {
  ClientMessages,
  MessageContent,
  NewMessage,
  ServerMessages,
  clientMessageSchema,
  messageContentSchema,
  newMessageSchema,
  serverMessageSchema,
} from "../src/index.js";

it("agrees with the schemas", () => {
  expectTypeOf<z.infer<typeof clientMessageSchema>>().toExtend<ClientMessages>();
  expectTypeOf<z.infer<typeof serverMessageSchema>>().toExtend<ServerMessages>();
  expectTypeOf<z.infer<typeof messageContentSchema>>().toExtend<MessageContent>();
  expectTypeOf<z.infer<typeof newMessageSchema>>().toExtend<NewMessage>();
  expectTypeOf<ClientMessages["type"]>().toEqualTypeOf<z.infer<typeof clientMessageSchema>["type"]>();
  expectTypeOf<ServerMessages["type"]>().toEqualTypeOf<z.infer<typeof serverMessageSchema>["type"]>();
});
