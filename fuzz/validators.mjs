// Answers what the compact validators and the Zod schemas say to a message: a length in four bytes and a text come in,
// a byte goes out. `cargo xtask fuzz` bundles it, because the validators are TypeScript.

import { readSync, writeSync } from "node:fs";

import {
  clientMessageSchema,
  serverMessageSchema,
  validateClientMessage,
  validateServerMessage,
} from "../packages/protocol/src/index.js";

/** So many bytes of the input; nothing at its end. */
function read(length) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const count = readSync(0, bytes, at, length - at, null);
    if (count === 0) return undefined;
    at += count;
  }
  return bytes;
}

function verdict(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    return 128;
  }
  return (
    (validateClientMessage(value).ok ? 1 : 0) |
    (validateServerMessage(value).ok ? 2 : 0) |
    (clientMessageSchema.safeParse(value).success ? 4 : 0) |
    (serverMessageSchema.safeParse(value).success ? 8 : 0)
  );
}

for (;;) {
  const length = read(4);
  if (!length) break;
  const text = read(length.readUInt32LE());
  if (!text) break;
  writeSync(1, Buffer.of(verdict(text.toString("utf8"))));
}
