import { useKept } from "../kept.js";
import { settings } from "../settings/settings.js";
import { Dialog } from "../ui/dialog.js";
import { ALL_SHORTCUTS } from "./shortcuts.js";

/** All keys. */
export function HelpDialog({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const { hasKeys } = useKept(settings);
  const description = hasKeys ? "They work wherever you are not writing." : "Single keys are switched off in the settings.";
  return (
    <Dialog title="Keys" description={description} isOpen={isOpen} onClose={onClose}>
      <div className="keys">
        {ALL_SHORTCUTS.map(({ title, keys }) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>
              {keys.map(([key, what]) => (
                <div key={key + what} className="key">
                  <dt>
                    {key.split(" ").map((part) => (
                      <kbd key={part}>{part}</kbd>
                    ))}
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}
