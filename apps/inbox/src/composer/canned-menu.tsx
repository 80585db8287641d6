import { useState, type KeyboardEvent } from "react";

import { useKept } from "../kept.js";
import { cannedReplies, matching, type CannedReply } from "./canned.js";

/** The menu as it stands. */
export interface CannedMenuState {
  readonly isOpen: boolean;
  readonly replies: readonly CannedReply[];
  /** The place of the one that Enter takes. */
  readonly active: number;
  close(): void;
  /** Takes a key if it is for the menu, and says so. */
  press(event: KeyboardEvent, onChoose: (reply: CannedReply) => void): boolean;
}

/** The menu for what is called for behind a slash; undefined when nothing is. */
export function useCannedMenu(beginning: string | undefined): CannedMenuState {
  const replies = matching(useKept(cannedReplies), beginning ?? "");
  const [chosen, choose] = useState({ beginning, index: 0 });
  const [closed, setClosed] = useState<string>();
  // Another beginning starts at its first reply, and opens what was closed.
  const active = chosen.beginning === beginning ? Math.min(chosen.index, replies.length - 1) : 0;
  const isOpen = beginning !== undefined && closed !== beginning;
  if (beginning === undefined && closed !== undefined) setClosed(undefined);

  return {
    isOpen,
    replies,
    active,
    close: () => setClosed(beginning),
    press(event, onChoose) {
      if (!isOpen || event.ctrlKey || event.metaKey || event.altKey) return false;
      const reply = replies[active];
      const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      if (step !== 0 && reply) choose({ beginning, index: (active + step + replies.length) % replies.length });
      else if ((event.key === "Enter" || event.key === "Tab") && reply) onChoose(reply);
      else if (event.key === "Escape") setClosed(beginning);
      else return false;
      event.preventDefault();
      event.stopPropagation();
      return true;
    },
  };
}

interface CannedMenuProps {
  menu: CannedMenuState;
  id: string;
  onChoose: (reply: CannedReply) => void;
  onEdit: () => void;
}

/** The canned replies above the field; the focus stays in it. */
export function CannedMenu({ menu: { isOpen, replies, active }, id, onChoose, onEdit }: CannedMenuProps) {
  if (!isOpen) return null;
  return (
    <div className="canned menu" data-testid="canned">
      <ul role="listbox" id={id} aria-label="Canned replies">
        {replies.map((reply, index) => (
          <li
            key={reply.id}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === active}
            className="menu-item canned-item"
            // The field must keep the focus.
            onPointerDown={(event) => event.preventDefault()}
            onClick={() => onChoose(reply)}
          >
            <b>/{reply.name}</b>
            <span className="soft">{reply.text}</span>
          </li>
        ))}
      </ul>
      {replies.length === 0 && <p className="soft canned-none">No canned reply has that in it.</p>}
      <button type="button" className="link-button canned-edit" onPointerDown={(event) => event.preventDefault()} onClick={onEdit}>
        Edit canned replies
      </button>
    </div>
  );
}
