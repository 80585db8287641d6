import { ChevronLeft, LockKeyhole, MessageCircle, MessagesSquare } from "lucide-react";

import { goTo } from "../route.js";
import { useKeyName } from "../shell/shortcuts.js";

/** No conversation is open. */
export function NothingOpen() {
  const next = useKeyName("j");
  const help = useKeyName("?");
  return (
    <div className="empty thread-empty">
      <MessagesSquare aria-hidden />
      {next ? (
        <p>
          Choose a conversation, or press <kbd>{next}</kbd> for the first.
        </p>
      ) : (
        <p>Choose a conversation.</p>
      )}
      {help && (
        <p className="soft small">
          <kbd>{help}</kbd> shows all keys.
        </p>
      )}
    </div>
  );
}

/** A conversation before its messages are there. */
export function ThreadSkeleton() {
  return (
    <div role="status">
      <span className="hidden">Loading messages</span>
      <div className="message theirs skeleton" aria-hidden>
        <span className="bone bubble-bone" />
      </div>
      <div className="message ours skeleton" aria-hidden>
        <span className="bone bubble-bone short" />
      </div>
      <div className="message theirs skeleton" aria-hidden>
        <span className="bone bubble-bone short" />
      </div>
    </div>
  );
}

/** A conversation in which nothing was said yet. */
export function ThreadEmpty({ name }: { name: string }) {
  return (
    <div className="empty" role="status">
      <MessageCircle aria-hidden />
      <p>
        <bdi>{name}</bdi> has not said anything yet. You can say something first.
      </p>
    </div>
  );
}

/** The way back to the list, where the list has no place beside the conversation. */
export function Back() {
  return (
    <button type="button" className="icon-button back" aria-label="Back to the list" onClick={() => goTo(undefined)}>
      <ChevronLeft />
    </button>
  );
}

/** A conversation that is not there, or not for this person. */
export function ThreadNotFound() {
  return (
    <>
      <header className="thread-head no-conversation">
        <Back />
      </header>
      <div className="empty thread-empty" role="alert">
        <LockKeyhole aria-hidden />
        <p>There is no such conversation, or it is not for you.</p>
      </div>
    </>
  );
}
