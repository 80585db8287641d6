import type { RequestError } from "@cossistant/react/websocket";
import { CircleAlert } from "lucide-react";

/** Stands for what could not be loaded, `what` by its name in the plural. */
export function LoadFailed({ what, error, onRetry }: { what: string; error: RequestError; onRetry: () => void }) {
  return (
    <div className="empty" role="alert">
      <CircleAlert aria-hidden />
      <p>
        The {what} could not be loaded{error.status === 0 ? ": no answer." : "."}
      </p>
      <button type="button" className="button" onClick={onRetry}>
        Try again
      </button>
    </div>
  );
}
