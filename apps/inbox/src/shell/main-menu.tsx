import { ChevronDown, CircleHelp, LogOut, Settings } from "lucide-react";

import { Avatar } from "../people/avatar.js";
import { useSigned } from "../session/context.js";
import { Menu, MenuChoices, MenuItem } from "../ui/menu.js";
import { Tip } from "../ui/tip.js";
import { useKeyName } from "./shortcuts.js";

interface MainMenuProps {
  onSettings: () => void;
  onHelp: () => void;
}

/** Which website it is, and what is about the person rather than a conversation. */
export function MainMenu({ onSettings, onHelp }: MainMenuProps) {
  const { me, website, websites, chooseWebsite, leave } = useSigned();
  const name = me.name ?? me.sub;
  return (
    <header className="main-menu">
      <Menu
        trigger={
          <button type="button" className="button quiet website-button">
            <Avatar id={me.sub} name={name} size="small" />
            <bdi className="website-name">{website.name}</bdi>
            <ChevronDown aria-hidden />
          </button>
        }
      >
        {websites.length > 1 && (
          <MenuChoices
            label="Website"
            value={website.id}
            choices={websites.map(({ id, name: label }) => ({ value: id, label: <bdi>{label}</bdi> }))}
            onChoose={chooseWebsite}
          />
        )}
        <p className="menu-label">
          Signed in as <bdi>{name}</bdi>
        </p>
        <MenuItem onChoose={onSettings}>
          <Settings aria-hidden /> Settings
        </MenuItem>
        <MenuItem onChoose={onHelp}>
          <CircleHelp aria-hidden /> Keys
        </MenuItem>
        <MenuItem onChoose={() => leave()}>
          <LogOut aria-hidden /> Sign out
        </MenuItem>
      </Menu>
      <Tip text="Settings">
        <button type="button" className="icon-button" aria-label="Settings" onClick={onSettings}>
          <Settings />
        </button>
      </Tip>
      <Tip text="Keys" hotkey={useKeyName("?")}>
        <button type="button" className="icon-button" aria-label="Keys" onClick={onHelp}>
          <CircleHelp />
        </button>
      </Tip>
    </header>
  );
}
