import { useKept } from "../kept.js";
import { allowNotifications, areNotificationsPossible } from "../notify/system.js";
import { playSound } from "../notify/sound.js";
import { Dialog } from "../ui/dialog.js";
import { choose, settings, type Settings } from "./settings.js";

const THEMES: readonly [Settings["theme"], string][] = [
  ["system", "As the system"],
  ["light", "Light"],
  ["dark", "Dark"],
];

/** The choices for this browser. */
export function SettingsDialog({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const { theme, hasSound, hasNotifications, entersSend, hasKeys, loadsImages } = useKept(settings);
  const isPossible = areNotificationsPossible();

  return (
    <Dialog title="Settings" description="They are kept in this browser." isOpen={isOpen} onClose={onClose}>
      <fieldset className="segments">
        <legend>Appearance</legend>
        {THEMES.map(([value, label]) => (
          <label key={value}>
            <input type="radio" name="theme" checked={theme === value} onChange={() => choose({ theme: value })} />
            <span>{label}</span>
          </label>
        ))}
      </fieldset>
      <Choice
        label="Notifications"
        hint={isPossible ? "For messages of visitors while you look elsewhere." : "This browser does not allow them for this page."}
        isOn={hasNotifications && isPossible}
        isDisabled={!isPossible}
        onChange={async (isOn) => choose({ hasNotifications: isOn && (await allowNotifications()) })}
      />
      <Choice
        label="Sound"
        hint="A short one, for the same messages."
        isOn={hasSound}
        onChange={(isOn) => {
          choose({ hasSound: isOn });
          if (isOn) playSound();
        }}
      />
      <Choice
        label="Enter sends"
        hint="Shift-Enter then begins a new line. Ctrl-Enter always sends."
        isOn={entersSend}
        onChange={(isOn) => choose({ entersSend: isOn })}
      />
      <Choice
        label="Single keys"
        hint="Letters such as r and j do things wherever you are not writing."
        isOn={hasKeys}
        onChange={(isOn) => choose({ hasKeys: isOn })}
      />
      <Choice
        label="Load visitors’ images"
        hint="Without a click. Their server learns when somebody looks at them, and from where."
        isOn={loadsImages}
        onChange={(isOn) => choose({ loadsImages: isOn })}
      />
    </Dialog>
  );
}

interface ChoiceProps {
  label: string;
  hint: string;
  isOn: boolean;
  isDisabled?: boolean;
  onChange: (isOn: boolean) => void;
}

function Choice({ label, hint, isOn, isDisabled = false, onChange }: ChoiceProps) {
  return (
    <label className="choice">
      <span>
        {label}
        <span className="soft small">{hint}</span>
      </span>
      <input
        type="checkbox"
        role="switch"
        className="switch"
        checked={isOn}
        disabled={isDisabled}
        onChange={(event) => onChange(event.target.checked)}
      />
    </label>
  );
}
