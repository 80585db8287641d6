/** The connection. A chunk of its own, which comes when there is a conversation, or when the panel is opened. */

import { configureEngine, createSession } from "@cossistant/react/widget/script/session";

/** Gives what makes a session, on a page of whatever policy. */
export async function loadSession(): Promise<typeof createSession> {
  await chooseEngine();
  return createSession;
}

/** The least module there is. */
const LEAST = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);

/** A page whose policy forbids WebAssembly is told the plain JavaScript at once, instead of after a module for nothing. */
async function chooseEngine(): Promise<void> {
  try {
    await WebAssembly.compile(LEAST);
  } catch {
    configureEngine({ variant: "js" });
  }
}
