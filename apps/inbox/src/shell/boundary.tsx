import { CircleAlert } from "lucide-react";
import { Component, type ReactNode } from "react";

import { Back } from "../thread/thread-states.js";

interface BoundaryProps {
  /** What is shown when something in it failed. */
  fallback: ReactNode;
  children: ReactNode;
}

/** Keeps a failure from taking the whole page with it. */
export class Boundary extends Component<BoundaryProps, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError(): { hasFailed: boolean } {
    return { hasFailed: true };
  }

  override render(): ReactNode {
    return this.state.hasFailed ? this.props.fallback : this.props.children;
  }
}

/** The page before anything is known. */
export function Starting() {
  return (
    <main className="starting" aria-busy="true">
      <title>Inbox</title>
      <span className="hidden">Loading the inbox</span>
      <span className="starting-dots" aria-hidden>
        <span />
        <span />
        <span />
      </span>
    </main>
  );
}

/** The page when the server did not answer. */
export function Failed({ onRetry }: { onRetry: () => void }) {
  return (
    <main className="starting">
      <title>Inbox</title>
      <div className="empty" role="alert">
        <CircleAlert aria-hidden />
        <h1>The inbox could not be loaded</h1>
        <button type="button" className="button primary" onClick={onRetry}>
          Try again
        </button>
      </div>
    </main>
  );
}

/** A conversation that could not be shown; the rest of the page goes on. */
export function ThreadBroken() {
  return (
    <section className="thread-pane" aria-label="Conversation">
      <header className="thread-head no-conversation">
        <Back />
      </header>
      <div className="empty" role="alert">
        <CircleAlert aria-hidden />
        <p>This conversation could not be shown.</p>
        <button type="button" className="button" onClick={() => location.reload()}>
          Load the page again
        </button>
      </div>
    </section>
  );
}
