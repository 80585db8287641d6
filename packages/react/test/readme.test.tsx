/** The quick start of the README, run as it is written there, against the real server. */

import { fireEvent, render, screen, waitFor } from "@testing-library/react/pure";
import { transform } from "esbuild";
import * as React from "react";
import * as runtime from "react/jsx-runtime";
import { expect, test } from "vitest";

import { startReal } from "../../client/test/support/real.js";
import * as websocket from "../src/websocket.js";
import { readmeModules } from "./harness/readme.js";
import { until } from "./harness/until.js";

const modules: Record<string, unknown> = {
  react: React,
  "react/jsx-runtime": runtime,
  "@cossistant/react/websocket": websocket,
};

const WITHIN = { timeout: 10_000 };

/** Runs a module's text; gives what it exports. */
async function load(text: string): Promise<Record<string, React.ComponentType>> {
  const { code } = await transform(text, { loader: "tsx", format: "cjs", jsx: "automatic" });
  const module = { exports: {} };
  new Function("module", "require", code)(module, (name: string) => modules[name]);
  return module.exports;
}

test("the quick start runs", async () => {
  const server = await startReal();
  try {
    const [text = ""] = Object.values(readmeModules());
    const own = text.replace("ws://127.0.0.1:8787/ws", server.wsUrl);
    expect(own).not.toBe(text);
    const { App } = await load(own);
    expect(App).toBeDefined();
    if (!App) return;
    render(<App />);
    const input = screen.getByLabelText("Message");
    fireEvent.change(input, { target: { value: "Is anybody there?" } });
    fireEvent.submit(input);
    await until("the message is shown", () => screen.queryByText("Is anybody there?"));

    const headers = { authorization: `Bearer ${await server.token("user", "grace")}`, "content-type": "application/json" };
    const path = `${server.url}/v1/conversations/first-question/messages`;
    await waitFor(async () => {
      const { messages } = (await (await fetch(path, { headers })).json()) as { messages?: unknown[] };
      expect(messages).toHaveLength(1);
    }, WITHIN);
    const body = JSON.stringify({ id: "answer-1", content: { text: "Yes!" } });
    const answered = await fetch(path, { method: "POST", headers, body });
    expect(answered.status).toBe(201);
    await until("the answer is shown", () => screen.queryByText("Yes!"));
    expect(screen.getAllByRole("listitem").map(({ textContent }) => textContent?.trim())).toEqual(["Is anybody there?", "Yes!"]);
  } finally {
    await server.stop();
  }
});
