// @vitest-environment node
/** The entries, and what is in them. */

import { expect, test } from "vitest";

import * as schemas from "../../src/schemas.js";
import * as slim from "../../src/slim.js";
import * as websocket from "../../src/websocket.js";

test("the slim entry has all of the other one, and where the engine is", () => {
  const { configureEngine, ...rest } = slim;
  expect(configureEngine).toBeTypeOf("function");
  expect(rest).toEqual({ ...websocket });
});

test("the states of a connection have the numbers of a WebSocket's", () => {
  const { CONNECTING, OPEN, CLOSING, CLOSED } = websocket.WebSocketState;
  expect([CONNECTING, OPEN, CLOSING, CLOSED]).toEqual([0, 1, 2, 3]);
});

test("the schemas judge messages and their content", () => {
  const { clientMessageSchema, messageContentSchema, serverMessageSchema } = schemas;
  expect(messageContentSchema.safeParse({ text: "hello" }).success).toBe(true);
  expect(messageContentSchema.safeParse({ text: "" }).success).toBe(false);
  expect(clientMessageSchema.safeParse({ type: "ping" }).success).toBe(true);
  expect(serverMessageSchema.safeParse({ type: "ping" }).success).toBe(false);
});
