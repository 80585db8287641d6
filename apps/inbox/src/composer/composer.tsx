import { MAX_TEXT_LENGTH } from "@cossistant/protocol/types";
import type { UseConversationReturn } from "@cossistant/react/websocket";
import { Lock, SendHorizontal, Zap } from "lucide-react";
import { useId, useImperativeHandle, useRef, useState, type KeyboardEvent, type Ref } from "react";
import { flushSync } from "react-dom";

import { useKept } from "../kept.js";
import { settings } from "../settings/settings.js";
import { later } from "../ui/later.js";
import { Tip } from "../ui/tip.js";
import { AttachButton, AttachmentChips } from "./attach.js";
import { cannedAt, withCanned, type CannedReply } from "./canned.js";
import { CannedMenu, useCannedMenu } from "./canned-menu.js";
import { EMPTY, useDraft } from "./drafts.js";
import { GrowingField } from "./growing-field.js";

const CannedEditor = later(async () => (await import("./canned-editor.js")).CannedEditor);

/** What others may do with the composer. */
export interface ComposerHandle {
  /** Puts the cursor into the field; `isNote` also chooses what is written. */
  focus(isNote?: boolean): void;
}

interface ComposerProps {
  conversation: UseConversationReturn;
  visitorName: string;
  /** The last message is to be edited. */
  onEditLast: () => void;
  ref: Ref<ComposerHandle>;
}

/** Where one answers, or leaves a note. What is begun stays with the conversation. */
export function Composer({ conversation, visitorName, onEditLast, ref }: ComposerProps) {
  const { conversationId, send, setTyping, stopTyping } = conversation;
  const [draft, change] = useDraft(conversationId);
  const { text, isNote, attachments } = draft;
  const { entersSend } = useKept(settings);
  const field = useRef<HTMLTextAreaElement>(null);
  const [isEditorOpen, setEditorOpen] = useState(false);
  const [cursor, setCursor] = useState(0);
  const menu = useCannedMenu(cannedAt(text, cursor));
  const id = useId();
  const excess = excessOf(text);
  const isSendable = (text.trim() !== "" || attachments.length > 0) && excess === 0;

  useImperativeHandle(ref, () => ({
    focus(note) {
      if (note !== undefined) switchTo(note);
      field.current?.focus();
    },
  }));

  const switchTo = (note: boolean): void => {
    change({ isNote: note });
    // Nobody is told that a note is being written.
    if (note) stopTyping();
    else if (text) setTyping(text);
  };
  const write = (next: string, position: number): void => {
    change({ text: next });
    setCursor(position);
    if (!isNote) setTyping(next);
  };
  const submit = (): void => {
    if (!isSendable) return;
    const content = { ...(text.trim() && { text }), ...(attachments.length > 0 && { attachments: [...attachments] }) };
    void send(content, { visibility: isNote ? "internal" : "public" });
    change({ ...EMPTY, isNote });
    setCursor(0);
    if (!isNote) stopTyping();
    field.current?.focus();
  };
  const insert = (reply: CannedReply): void => {
    const next = withCanned(text, cursor, reply, visitorName);
    // It stands there before the next key comes, which is to be behind it.
    flushSync(() => write(next.text, next.cursor));
    field.current?.focus();
    field.current?.setSelectionRange(next.cursor, next.cursor);
  };
  const press = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (event.nativeEvent.isComposing) return;
    if (menu.press(event, insert)) return;
    const { key, shiftKey, ctrlKey, metaKey } = event;
    if (key === "Enter" && (ctrlKey || metaKey || (entersSend && !shiftKey))) submit();
    else if (key === "ArrowUp" && text === "") onEditLast();
    else if (key === "Escape") event.currentTarget.blur();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <section className={isNote ? "composer note" : "composer"} aria-label="Answer">
      <CannedMenu menu={menu} id={`${id}-canned`} onChoose={insert} onEdit={() => setEditorOpen(true)} />
      <div className="composer-box">
        <div className="composer-modes" role="group" aria-label="What to write">
          <button type="button" className="mode" aria-pressed={!isNote} onClick={() => switchTo(false)}>
            Reply
          </button>
          <button type="button" className="mode" aria-pressed={isNote} onClick={() => switchTo(true)}>
            <Lock aria-hidden /> Note
          </button>
        </div>
        <GrowingField
          ref={field}
          value={text}
          className="composer-text"
          placeholder={isNote ? "A note that only the team can read" : "Write an answer"}
          aria-label={isNote ? "Note for the team" : `Answer to ${visitorName}`}
          aria-describedby={`${id}-hint`}
          aria-autocomplete="list"
          aria-controls={menu.isOpen ? `${id}-canned` : undefined}
          aria-activedescendant={menu.isOpen && menu.replies.length > 0 ? `${id}-canned-${menu.active}` : undefined}
          onChange={({ target }) => write(target.value, target.selectionStart)}
          onSelect={({ currentTarget }) => setCursor(currentTarget.selectionStart)}
          onBlur={() => {
            menu.close();
            stopTyping();
          }}
          onKeyDown={press}
        />
        <AttachmentChips attachments={attachments} onChange={(list) => change({ attachments: list })} />
        <div className="composer-foot">
          <AttachButton attachments={attachments} onChange={(list) => change({ attachments: list })} />
          <Tip text="Canned replies" hotkey="/">
            <button type="button" className="icon-button" aria-label="Canned replies" onClick={() => setEditorOpen(true)}>
              <Zap />
            </button>
          </Tip>
          {excess > 0 ? (
            <span className="hint problem" id={`${id}-hint`} role="status">
              Too long by {excess} character{excess === 1 ? "" : "s"}
            </span>
          ) : (
            <span className="hint" id={`${id}-hint`}>
              {isNote ? "Only the team sees this. " : ""}
              <kbd>/</kbd> canned replies · <kbd>{entersSend ? "Enter" : "Ctrl Enter"}</kbd> sends
            </span>
          )}
          <button type="button" className="button primary send" disabled={!isSendable} onClick={submit}>
            {isNote ? "Add note" : "Send"}
            <SendHorizontal aria-hidden />
          </button>
        </div>
      </div>
      <CannedEditor isOpen={isEditorOpen} onClose={() => setEditorOpen(false)} />
    </section>
  );
}

/** By how many characters a text is longer than the server takes. */
function excessOf(text: string): number {
  // A character has one or two units, so most texts need no counting.
  return text.length <= MAX_TEXT_LENGTH ? 0 : Math.max(0, Array.from(text).length - MAX_TEXT_LENGTH);
}
