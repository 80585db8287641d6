import type { RequestError } from "@cossistant/react/websocket";
import { Inbox, LockKeyhole, SearchX } from "lucide-react";

import { useSigned } from "../session/context.js";
import { LoadFailed } from "../ui/load-failed.js";
import type { Tabs } from "./filter.js";

const SKELETONS = Array.from({ length: 9 }, (_, index) => index);

/** The list before anything is known. */
export function ListSkeleton() {
  return (
    <div className="list-scroller" role="status">
      <span className="hidden">Loading conversations</span>
      {SKELETONS.map((index) => (
        <div key={index} className="row skeleton" aria-hidden>
          <span className="avatar normal">
            <span className="avatar-face" />
          </span>
          <span className="row-body">
            <span className="bone short" />
            <span className="bone" />
          </span>
        </div>
      ))}
    </div>
  );
}

/** What to say where nothing is, and what to do next. */
const NOTHING: Record<Tabs["status"], string> = {
  open: "Nobody is waiting. New conversations show up here by themselves.",
  pending: "Nothing is pending.",
  resolved: "Nothing has been resolved yet.",
  all: "No visitor has written yet.",
};

interface ListEmptyProps {
  tabs: Tabs;
  search: string;
  onClear: () => void;
}

/** A list without conversations. */
export function ListEmpty({ tabs: { status, assignee }, search, onClear }: ListEmptyProps) {
  const { dev } = useSigned();
  if (search) {
    return (
      <div className="empty" role="status">
        <SearchX aria-hidden />
        <p>
          Nothing here has “<bdi>{search}</bdi>” in it.
        </p>
        <button type="button" className="button" onClick={onClear}>
          Clear the search
        </button>
      </div>
    );
  }
  return (
    <div className="empty" role="status">
      <Inbox aria-hidden />
      <p>{assignee === "me" ? "Nothing of yours is here." : assignee === "none" ? "Everything here has somebody." : NOTHING[status]}</p>
      {dev && (status === "open" || status === "all") && (
        <a className="button" href={dev.demoUrl} target="_blank" rel="noopener">
          Write as a visitor in the demo shop
        </a>
      )}
    </div>
  );
}

/** A list that could not be loaded. */
export function ListFailed({ error, onRetry }: { error: RequestError; onRetry: () => void }) {
  if (error.status === 403 || error.status === 404) return <NoAccess />;
  return <LoadFailed what="conversations" error={error} onRetry={onRetry} />;
}

/** A website that is not for this person. */
export function NoAccess() {
  const { website, leave } = useSigned();
  return (
    <div className="empty" role="alert">
      <LockKeyhole aria-hidden />
      <p>
        You have no access to <bdi>{website.name}</bdi> any more.
      </p>
      <button type="button" className="button" onClick={() => leave("no_website")}>
        Sign in again
      </button>
    </div>
  );
}
