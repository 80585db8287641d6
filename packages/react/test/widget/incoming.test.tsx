/** What a screen reader is told of. */

import type { ConversationMessage } from "@cossistant/client";
import { renderHook } from "@testing-library/react/pure";
import { expect, test, vi } from "vitest";

import { useIncoming } from "../../src/widget/parts/reading.js";
import { useSupport } from "../../src/widget/parts/support.js";

vi.mock("../../src/widget/parts/support.js", () => ({ useSupport: vi.fn() }));

type Shown = Pick<ConversationMessage, "key" | "isOwn" | "seq"> & { isDeleted?: boolean };

const own = (seq?: number): Shown => ({ key: "own", isOwn: true, seq });
const other = (seq: number): Shown => ({ key: `other ${seq}`, isOwn: false, seq });

/** Shows a list of messages after another; the keys that the callback was called with after each. */
function show(...lists: { messages: Shown[]; isLoading?: boolean }[]): string[][] {
  const told: string[][] = [];
  const said: string[] = [];
  let hook: { rerender(): void } | undefined;
  for (const { messages, isLoading = false } of lists) {
    vi.mocked(useSupport).mockReturnValue({ messages, conversation: { isLoading } } as unknown as ReturnType<typeof useSupport>);
    if (hook) hook.rerender();
    else hook = renderHook(() => useIncoming((incoming) => void said.push(...incoming.map(({ key }) => key))));
    told.push(said.splice(0));
  }
  return told;
}

test("what is loaded is old, and what comes behind it is new", () => {
  const told = show({ messages: [], isLoading: true }, { messages: [other(1), other(2)] }, { messages: [other(1), other(2), other(3)] });
  expect(told).toEqual([[], [], ["other 3"]]);
});

test("an answer is new that comes before the conversation is loaded", () => {
  const told = show(
    { messages: [own()], isLoading: true },
    { messages: [own(1), other(2)], isLoading: true },
    { messages: [own(1), other(2)] },
  );
  expect(told).toEqual([[], [], ["other 2"]]);
});

test("so it is where the message that it answers was confirmed before it was shown", () => {
  const told = show({ messages: [own(1)], isLoading: true }, { messages: [own(1), other(2)], isLoading: true }, { messages: [own(1), other(2)] });
  expect(told).toEqual([[], [], ["other 2"]]);
});

test("all are told that come at once, each one once, and none that is deleted", () => {
  const told = show(
    { messages: [other(1)] },
    { messages: [other(1), other(2), own(3), { ...other(4), isDeleted: true }, other(5)] },
    { messages: [other(1), other(2), own(3), other(5)] },
  );
  expect(told).toEqual([[], ["other 2", "other 5"], []]);
});
