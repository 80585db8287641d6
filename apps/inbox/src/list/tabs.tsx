import { useKept } from "../kept.js";
import { countText, useCount } from "./counts.js";
import { ASSIGNEES, LABELS, STATUSES, tabs, type Tabs } from "./filter.js";

/** Which conversations are shown: how they stand, and whose they are. `shown` is the count of those that are shown. */
export function FilterTabs({ shown }: { shown: number | undefined }) {
  const chosen = useKept(tabs);
  return (
    <div className="tabs">
      <div className="tab-row" role="group" aria-label="Status">
        {STATUSES.map((status) => (
          <Tab key={status} changes={{ status }} label={LABELS[status]} chosen={chosen} shown={shown} />
        ))}
      </div>
      <div className="tab-row whose" role="group" aria-label="Assigned to">
        {ASSIGNEES.map((assignee) => (
          <Tab key={assignee} changes={{ assignee }} label={LABELS[assignee]} chosen={chosen} shown={shown} />
        ))}
      </div>
    </div>
  );
}

interface TabProps {
  /** What it chooses. */
  changes: Partial<Tabs>;
  label: string;
  chosen: Tabs;
  shown: number | undefined;
}

function Tab({ changes, label, chosen, shown }: TabProps) {
  const next: Tabs = { ...chosen, ...changes };
  const isChosen = next.status === chosen.status && next.assignee === chosen.assignee;
  // All that there ever was is no number to act on, and everyone's is that of the status.
  const isCounted = changes.assignee !== "anyone" && next.status !== "all" && next.status !== "resolved";
  const counted = useCount(isCounted ? next : undefined);
  const count = isCounted ? countText((isChosen ? shown : undefined) ?? counted) : "";
  return (
    <button type="button" className="tab" aria-pressed={isChosen} onClick={() => tabs.set(() => next)}>
      {label}
      {count !== "" && <span className="tab-count">{count}</span>}
    </button>
  );
}
