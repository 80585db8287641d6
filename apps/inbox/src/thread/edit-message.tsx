import type { ConversationMessage } from "@cossistant/react/websocket";
import { useState, type KeyboardEvent } from "react";

import { GrowingField } from "../composer/growing-field.js";
import type { MessageActions } from "./message.js";

interface EditMessageProps {
  message: ConversationMessage;
  actions: MessageActions;
}

/** A message of one's own, to be written again. */
export function EditMessage({ message, actions: { onSave, onEdit } }: EditMessageProps) {
  const before = message.content?.text ?? "";
  const [text, setText] = useState(before);
  const [problem, setProblem] = useState<string>();
  const hasFiles = (message.content?.attachments?.length ?? 0) > 0;
  const isSendable = text.trim() !== "" || hasFiles;

  const save = async (): Promise<void> => {
    if (!isSendable) return;
    const failure = text === before ? undefined : await onSave(message, text);
    if (!failure) return onEdit(undefined);
    setProblem(failure.status === 0 ? "Not saved: no connection." : "Not saved: the server refused it.");
  };
  const press = (event: KeyboardEvent): void => {
    if (event.key === "Escape") {
      event.stopPropagation();
      onEdit(undefined);
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      void save();
    }
  };

  return (
    <div className="edit">
      <GrowingField
        value={text}
        className="field"
        aria-label="Edit the message"
        autoFocus
        onChange={(event) => setText(event.target.value)}
        onKeyDown={press}
        onFocus={({ target }) => target.setSelectionRange(target.value.length, target.value.length)}
      />
      {problem && (
        <p className="problem small" role="alert">
          {problem}
        </p>
      )}
      <div className="edit-actions">
        <span className="soft small">Enter saves, Esc cancels</span>
        <button type="button" className="button small" onClick={() => onEdit(undefined)}>
          Cancel
        </button>
        <button type="button" className="button small primary" disabled={!isSendable} onClick={() => void save()}>
          Save
        </button>
      </div>
    </div>
  );
}
