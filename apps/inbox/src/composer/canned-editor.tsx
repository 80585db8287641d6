import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";

import { useKept } from "../kept.js";
import { Dialog } from "../ui/dialog.js";
import { CANNED_MAX, cannedName, cannedReplies, dropCanned, keepCanned, type CannedReply } from "./canned.js";

/** Where canned replies are written, changed and thrown away. */
export function CannedEditor({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const replies = useKept(cannedReplies);
  const [editing, edit] = useState<CannedReply>();
  // What was edited last has the focus when the form is gone; a new one that was not kept, the button for a new one.
  const [edited, setEdited] = useState<string>();
  const leaveForm = (): void => {
    setEdited(editing?.id);
    edit(undefined);
  };

  return (
    <Dialog
      title="Canned replies"
      description="Type / and a name while you answer. They are kept in this browser; {name} becomes the visitor’s name."
      isOpen={isOpen}
      onClose={() => {
        edit(undefined);
        setEdited(undefined);
        onClose();
      }}
    >
      {editing ? (
        <CannedForm key={editing.id} reply={editing} taken={replies} onDone={leaveForm} />
      ) : (
        <>
          <ul className="canned-list">
            {replies.map((reply) => (
              <li key={reply.id}>
                <button type="button" className="canned-choice" autoFocus={reply.id === edited} onClick={() => edit(reply)}>
                  <b>/{reply.name}</b>
                  <span className="soft">{reply.text}</span>
                </button>
                <button type="button" className="icon-button" aria-label={`Delete /${reply.name}`} onClick={() => dropCanned(reply.id)}>
                  <Trash2 />
                </button>
              </li>
            ))}
          </ul>
          {replies.length === 0 && <p className="soft">There are none yet.</p>}
          <button
            type="button"
            className="button"
            autoFocus={edited !== undefined && !replies.some(({ id }) => id === edited)}
            disabled={replies.length >= CANNED_MAX}
            onClick={() => edit({ id: crypto.randomUUID(), name: "", text: "" })}
          >
            <Plus aria-hidden /> New canned reply
          </button>
        </>
      )}
    </Dialog>
  );
}

interface CannedFormProps {
  reply: CannedReply;
  taken: readonly CannedReply[];
  onDone: () => void;
}

function CannedForm({ reply, taken, onDone }: CannedFormProps) {
  const [name, setName] = useState(reply.name);
  const [text, setText] = useState(reply.text);
  const isTaken = taken.some((other) => other.id !== reply.id && other.name === cannedName(name));
  const isComplete = cannedName(name) !== "" && text.trim() !== "" && !isTaken;
  return (
    <form
      className="canned-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!isComplete) return;
        keepCanned({ id: reply.id, name: cannedName(name), text });
        onDone();
      }}
    >
      <label>
        Name
        <input className="field" value={name} placeholder="refund" autoFocus maxLength={40} onChange={(event) => setName(event.target.value)} />
      </label>
      {isTaken && (
        <p className="problem small" role="alert">
          Another one has this name.
        </p>
      )}
      <label>
        Text
        <textarea className="field" rows={5} value={text} dir="auto" onChange={(event) => setText(event.target.value)} />
      </label>
      <div className="dialog-actions">
        <button type="button" className="button" onClick={onDone}>
          Cancel
        </button>
        <button type="submit" className="button primary" disabled={!isComplete}>
          Keep
        </button>
      </div>
    </form>
  );
}
