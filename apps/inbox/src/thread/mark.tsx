import { Check, CheckCheck, CircleAlert, Clock } from "lucide-react";

import type { Mark } from "./marks.js";

const WORDS: Record<Mark, string> = {
  queued: "Waiting for the connection",
  sending: "Sending",
  sent: "Sent",
  seen: "Seen",
  failed: "Not sent",
};

const ICONS = { queued: Clock, sending: Clock, sent: Check, seen: CheckCheck, failed: CircleAlert };

interface DeliveryMarkProps {
  mark: Mark;
  onRetry: () => void;
  onDiscard: () => void;
}

/** How far a message has come, in a sign and in words. */
export function DeliveryMark({ mark, onRetry, onDiscard }: DeliveryMarkProps) {
  const Icon = ICONS[mark];
  return (
    <div className={`mark ${mark}`}>
      <Icon aria-hidden />
      <span>{WORDS[mark]}</span>
      {mark === "failed" && (
        <>
          <button type="button" className="link-button" onClick={onRetry}>
            Retry
          </button>
          <button type="button" className="link-button" onClick={onDiscard}>
            Discard
          </button>
        </>
      )}
    </div>
  );
}
