"use client";

/** Where the visitor writes. */

import { useEffect, useLayoutEffect, useRef, useState, type KeyboardEvent } from "react";

import { isPersonAwaited } from "../rows.js";
import { AttachmentChips, AttachmentField } from "./attaching.js";
import { useDraft } from "./draft.js";
import { EmojiChoice } from "./emoji.js";
import { Icon } from "./icons.js";
import { usePanel } from "./panel-context.js";
import { useSupport } from "./support.js";

/** The most characters of a message. */
const MAX_TEXT = 16_000;

/** The text field with its tools. `isFocused`: whether it takes the focus when it appears. */
export function Composer({ isFocused }: { isFocused: boolean }) {
  const { isOpen, texts } = usePanel();
  const { conversation, messages, send, setTyping, startNew, stopTyping } = useSupport();
  const { draft, change, clear } = useDraft();
  const [tool, setTool] = useState<"attach" | "emoji">();
  const field = useRef<HTMLTextAreaElement>(null);
  const isEmpty = !draft.text.trim() && draft.attachments.length === 0;

  /** Where the caret goes once the field has the text that was put in. */
  const caret = useRef<number>(undefined);
  useLayoutEffect(() => {
    const area = field.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
    if (caret.current !== undefined) area.setSelectionRange(caret.current, caret.current);
    caret.current = undefined;
  }, [draft.text, isOpen]);
  const takesFocus = useRef(isFocused);
  useEffect(() => {
    if (isOpen && takesFocus.current) field.current?.focus({ preventScroll: true });
    takesFocus.current = true;
  }, [isOpen]);

  const write = (text: string) => {
    change({ text });
    setTyping(text);
  };
  const submit = () => {
    if (isEmpty) return;
    const { attachments } = draft;
    const text = draft.text.trim();
    void send({ ...(text && { text }), ...(attachments.length > 0 && { attachments: [...attachments] }) });
    clear();
    setTyping("");
    setTool(undefined);
    field.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // While a word is put together, Enter takes it.
    if (event.key !== "Enter" || event.shiftKey || event.altKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    submit();
  };
  const insert = (emoji: string) => {
    const area = field.current;
    const [start, end] = [area?.selectionStart ?? draft.text.length, area?.selectionEnd ?? draft.text.length];
    caret.current = start + emoji.length;
    write(draft.text.slice(0, start) + emoji + draft.text.slice(end));
    setTool(undefined);
    area?.focus();
  };
  const toggle = (next: "attach" | "emoji") => setTool(tool === next ? undefined : next);

  if (conversation?.status === "closed") {
    return (
      <div className="composer ended">
        <p>{texts.closed}</p>
        <button type="button" className="primary" onClick={startNew}>
          {texts.startNew}
        </button>
      </div>
    );
  }
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || !tool) return;
        event.stopPropagation();
        setTool(undefined);
        field.current?.focus();
      }}
    >
      {tool === "attach" && (
        <AttachmentField
          attachments={draft.attachments}
          onChange={(attachments) => change({ attachments })}
          onDone={() => {
            setTool(undefined);
            field.current?.focus();
          }}
        />
      )}
      {tool === "emoji" && <EmojiChoice label={texts.emoji} onChoose={insert} />}
      <div className="field">
        <AttachmentChips attachments={draft.attachments} onChange={(attachments) => change({ attachments })} />
        <textarea
          ref={field}
          rows={1}
          dir="auto"
          maxLength={MAX_TEXT}
          aria-label={texts.message}
          placeholder={texts.placeholder}
          enterKeyHint="send"
          value={draft.text}
          onChange={(event) => write(event.currentTarget.value)}
          onKeyDown={onKeyDown}
          onBlur={stopTyping}
        />
        <div className="tools">
          <button type="button" className="tool" aria-label={texts.attach} aria-expanded={tool === "attach"} onClick={() => toggle("attach")}>
            <Icon name="attach" />
          </button>
          <button type="button" className="tool" aria-label={texts.emoji} aria-expanded={tool === "emoji"} onClick={() => toggle("emoji")}>
            <Icon name="emoji" />
          </button>
          <button
            type="button"
            className="person"
            disabled={isPersonAwaited(messages)}
            onClick={() => void send(texts.personMessage, { metadata: { intent: "person" } })}
          >
            <Icon name="person" />
            <span>{texts.person}</span>
          </button>
          <button type="submit" className="send" aria-label={texts.send} aria-disabled={isEmpty}>
            <Icon name="send" />
          </button>
        </div>
      </div>
    </form>
  );
}
