import { Sparkle } from "lucide-react";
import { memo, type CSSProperties } from "react";

import { hueOf, initials } from "./names.js";

interface AvatarProps {
  /** Whose; decides the colour. */
  id: string;
  name: string;
  size?: "small" | "normal" | "large";
  /** Whether the person is there now; without it nothing is shown of that. */
  isOnline?: boolean | undefined;
  isAgent?: boolean;
}

/** Somebody as a coloured disc. Names stand beside it, so that it says nothing to a screen reader. */
export const Avatar = memo(function Avatar({ id, name, size = "normal", isOnline, isAgent = false }: AvatarProps) {
  return (
    <span className={`avatar ${size}`} style={{ "--hue": hueOf(id) } as CSSProperties} aria-hidden>
      <span className="avatar-face">{isAgent ? <Sparkle /> : initials(name)}</span>
      {isOnline !== undefined && <span className={isOnline ? "presence online" : "presence"} />}
    </span>
  );
});
