import type { ConversationStatus, UseConversationReturn } from "@cossistant/react/websocket";
import { ChevronDown, PanelRight } from "lucide-react";

import { ConnectionPill } from "../connection/pill.js";
import { Avatar } from "../people/avatar.js";
import { useTeam } from "../people/members.js";
import { listed } from "../people/names.js";
import { useSigned } from "../session/context.js";
import { useKeyName } from "../shell/shortcuts.js";
import { Menu, MenuChoices } from "../ui/menu.js";
import { Tip } from "../ui/tip.js";
import { Back } from "./thread-states.js";

const STATUSES: readonly { readonly value: ConversationStatus; readonly label: string }[] = [
  { value: "open", label: "Open" },
  { value: "pending", label: "Pending" },
  { value: "resolved", label: "Resolved" },
  { value: "closed", label: "Closed" },
];

/** The value of the choice that nobody has a conversation; ids are never empty. */
const NOBODY = "";

interface HeaderProps {
  conversation: UseConversationReturn;
  name: string;
  status: ConversationStatus | undefined;
  assignee: string | null | undefined;
  isPanelOpen: boolean;
  onStatus: (status: ConversationStatus) => void;
  onAssign: (userId: string | null) => void;
  onTogglePanel: () => void;
}

/** Whose conversation it is, how it stands, who has it, and who else looks at it. */
export function Header(props: HeaderProps) {
  const { conversation, name, status, assignee, isPanelOpen, onStatus, onAssign, onTogglePanel } = props;
  const { me } = useSigned();
  const team = useTeam();
  const members = team.members.map(({ userId }) => ({
    value: userId,
    label: (
      <>
        <Avatar id={userId} name={team.nameOf(userId)} size="small" isAgent={team.isAgent(userId)} />
        <bdi>{userId === me.sub ? "Me" : team.nameOf(userId)}</bdi>
      </>
    ),
  }));

  return (
    <header className="thread-head">
      <Back />
      <div className="thread-title">
        <h2 dir="auto">{name}</h2>
        <span className={conversation.isVisitorOnline ? "thread-presence online" : "thread-presence"}>
          {conversation.isVisitorOnline === undefined ? "" : conversation.isVisitorOnline ? "Online" : "Offline"}
        </span>
      </div>
      <Viewers conversation={conversation} />
      <ConnectionPill />
      <Menu
        align="end"
        trigger={
          <button type="button" className="button quiet assign-button" disabled={assignee === undefined}>
            {assignee ? (
              <>
                <Avatar id={assignee} name={team.nameOf(assignee)} size="small" isAgent={team.isAgent(assignee)} />
                <span className="wide">{assignee === me.sub ? "Me" : team.nameOf(assignee)}</span>
              </>
            ) : (
              <span>Assign</span>
            )}
            <span className="hidden">{assignee ? ", assignee" : ""}</span>
            <ChevronDown aria-hidden />
          </button>
        }
      >
        <MenuChoices
          label="Assigned to"
          value={assignee ?? NOBODY}
          choices={[{ value: NOBODY, label: "Nobody" }, ...members]}
          onChoose={(id) => onAssign(id === NOBODY ? null : id)}
        />
      </Menu>
      <Menu
        align="end"
        trigger={
          <button type="button" className="button quiet status-button" disabled={status === undefined}>
            <span className={`status-dot ${status ?? ""}`} aria-hidden />
            <span className="hidden">Status: </span>
            {STATUSES.find(({ value }) => value === status)?.label ?? "…"}
            <ChevronDown aria-hidden />
          </button>
        }
      >
        <MenuChoices label="Status" value={status ?? "open"} choices={STATUSES} onChoose={onStatus} />
      </Menu>
      <Tip text={isPanelOpen ? "Hide who it is" : "Show who it is"} hotkey={useKeyName("p")}>
        <button type="button" className="icon-button" aria-label="Who it is" aria-expanded={isPanelOpen} onClick={onTogglePanel}>
          <PanelRight />
        </button>
      </Tip>
    </header>
  );
}

function Viewers({ conversation: { viewing } }: Pick<HeaderProps, "conversation">) {
  const team = useTeam();
  if (viewing.length === 0) return null;
  const names = viewing.map(({ userId, userName }) => team.nameOf(userId, userName));
  return (
    <Tip text={`${listed(names)} ${names.length === 1 ? "has" : "have"} this open`}>
      <span className="viewers" role="img" aria-label={`Also open at ${listed(names)}`} data-testid="viewers">
        {viewing.slice(0, 3).map(({ userId }, index) => (
          <Avatar key={userId} id={userId} name={names[index] ?? userId} size="small" />
        ))}
      </span>
    </Tip>
  );
}
