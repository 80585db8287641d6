import { Popover } from "@base-ui/react/popover";
import type { Attachment } from "@cossistant/react/websocket";
import { Paperclip, X } from "lucide-react";
import { useRef, useState } from "react";

import { attachmentAt, MAX_ATTACHMENTS } from "../shared.js";

interface AttachProps {
  attachments: readonly Attachment[];
  onChange: (attachments: readonly Attachment[]) => void;
}

/** Adds a file or an image by its address. */
export function AttachButton({ attachments, onChange }: AttachProps) {
  const [isOpen, setOpen] = useState(false);
  const [isWrong, setWrong] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const isFull = attachments.length >= MAX_ATTACHMENTS;

  const add = (address: string): void => {
    const attachment = attachmentAt(address, crypto.randomUUID());
    setWrong(!attachment);
    if (!attachment) return;
    onChange([...attachments, attachment]);
    setOpen(false);
  };
  return (
    <Popover.Root
      modal
      open={isOpen}
      onOpenChange={(open) => {
        setOpen(open);
        setWrong(false);
      }}
    >
      <Popover.Trigger className="icon-button" aria-label="Attach a file by its address" disabled={isFull}>
        <Paperclip />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner className="floating" side="top" align="start" sideOffset={6} collisionPadding={8}>
          <Popover.Popup className="menu popover" initialFocus={field}>
            <Popover.Title className="menu-label">Attach by address</Popover.Title>
            <form
              className="attach-form"
              onSubmit={(event) => {
                event.preventDefault();
                add(field.current?.value ?? "");
              }}
            >
              <input
                ref={field}
                className="field"
                inputMode="url"
                placeholder="https://"
                aria-label="Address of the file or image"
                aria-invalid={isWrong}
                onChange={() => setWrong(false)}
              />
              <button type="submit" className="button primary">
                Attach
              </button>
            </form>
            {isWrong && (
              <p className="problem small" role="alert">
                An address begins with http:// or https://
              </p>
            )}
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}

/** What will be sent along. */
export function AttachmentChips({ attachments, onChange }: AttachProps) {
  if (attachments.length === 0) return null;
  return (
    <ul className="chips" aria-label="Attachments">
      {attachments.map((attachment) => (
        <li key={attachment.id} className="chip">
          <Paperclip aria-hidden />
          <bdi title={attachment.url}>{attachment.name}</bdi>
          <button
            type="button"
            className="icon-button tiny"
            aria-label={`Remove ${attachment.name}`}
            onClick={() => onChange(attachments.filter(({ id }) => id !== attachment.id))}
          >
            <X />
          </button>
        </li>
      ))}
    </ul>
  );
}
