import { Menu as Base } from "@base-ui/react/menu";
import { Check } from "lucide-react";
import type { ReactElement, ReactNode } from "react";

import { floatingPlace } from "./floating.js";

interface MenuProps {
  /** The button that opens it. */
  trigger: ReactElement;
  align?: "start" | "center" | "end";
  /** Whether it is open when it is mounted: where it is mounted by the click that asks for it. */
  isOpenAtFirst?: boolean;
  children: ReactNode;
}

/** A list of things to do, or to choose from, that a button opens. */
export function Menu({ trigger, align = "start", isOpenAtFirst = false, children }: MenuProps) {
  return (
    <Base.Root defaultOpen={isOpenAtFirst}>
      <Base.Trigger render={trigger} />
      <Base.Portal container={floatingPlace()}>
        <Base.Positioner className="floating" align={align} sideOffset={4} collisionPadding={8}>
          <Base.Popup className="menu">{children}</Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  );
}

interface ItemProps {
  onChoose: () => void;
  isDanger?: boolean;
  children: ReactNode;
}

/** One thing to do. */
export function MenuItem({ onChoose, isDanger = false, children }: ItemProps) {
  return (
    <Base.Item className={isDanger ? "menu-item danger" : "menu-item"} onClick={onChoose}>
      {children}
    </Base.Item>
  );
}

interface ChoicesProps<Value extends string> {
  /** What they are choices of. */
  label: string;
  value: Value;
  choices: readonly { readonly value: Value; readonly label: ReactNode }[];
  onChoose: (value: Value) => void;
}

/** Choices of which one holds. */
export function MenuChoices<Value extends string>({ label, value, choices, onChoose }: ChoicesProps<Value>) {
  return (
    <Base.RadioGroup value={value} onValueChange={onChoose}>
      <Base.Group>
        <Base.GroupLabel className="menu-label">{label}</Base.GroupLabel>
        {choices.map((choice) => (
          <Base.RadioItem key={choice.value} value={choice.value} className="menu-item" closeOnClick>
            <span className="menu-choice">{choice.label}</span>
            <Base.RadioItemIndicator className="menu-tick">
              <Check />
            </Base.RadioItemIndicator>
          </Base.RadioItem>
        ))}
      </Base.Group>
    </Base.RadioGroup>
  );
}
