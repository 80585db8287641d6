"use client";

/** Attachments of the message that is being written: by address, since files lie where the visitor has them. */

import type { Attachment } from "@cossistant/protocol/types";
import { useEffect, useId, useRef, useState } from "react";

import { attachmentAt, MAX_ATTACHMENTS } from "../attachments.js";
import { randomId } from "../session.js";
import { Icon } from "./icons.js";
import { usePanel } from "./panel-context.js";

/** What these take. */
export interface AttachingProps {
  attachments: readonly Attachment[];
  onChange: (attachments: readonly Attachment[]) => void;
}

/** The field for another address. */
export function AttachmentField({ attachments, onChange, onDone }: AttachingProps & { onDone: () => void }) {
  const { texts } = usePanel();
  const [address, setAddress] = useState("");
  const [fault, setFault] = useState<string>();
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.focus(), []);

  const add = () => {
    if (attachments.length >= MAX_ATTACHMENTS) return setFault(texts.tooManyAttachments);
    const attachment = attachmentAt(address, randomId());
    if (!attachment) {
      input.current?.focus();
      return setFault(texts.badUrl);
    }
    onChange([...attachments, attachment]);
    onDone();
  };
  return (
    <div className="attaching">
      <label className="hidden" htmlFor={id}>
        {texts.attachmentUrl}
      </label>
      <input
        ref={input}
        id={id}
        type="url"
        inputMode="url"
        dir="ltr"
        placeholder="https://"
        value={address}
        aria-invalid={!!fault}
        aria-describedby={fault && `${id}-fault`}
        onChange={(event) => setAddress(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          add();
        }}
      />
      <button type="button" className="quiet" onClick={add}>
        {texts.add}
      </button>
      {fault && (
        <p id={`${id}-fault`} className="fault" role="alert">
          {fault}
        </p>
      )}
    </div>
  );
}

/** What the message will bring. */
export function AttachmentChips({ attachments, onChange }: AttachingProps) {
  const { texts } = usePanel();
  if (attachments.length === 0) return null;
  return (
    <ul className="chips">
      {attachments.map((attachment) => (
        <li key={attachment.id}>
          <Icon name="file" />
          <span dir="auto">{attachment.name}</span>
          <button
            type="button"
            aria-label={texts.removeAttachment(attachment.name)}
            onClick={() => onChange(attachments.filter((other) => other !== attachment))}
          >
            <Icon name="remove" />
          </button>
        </li>
      ))}
    </ul>
  );
}
