"use client";

/** Pictures of people. */

import { useState } from "react";

import { attachmentUrl } from "../attachments.js";
import { Icon } from "./icons.js";

/** What an avatar takes. */
export interface AvatarProps {
  /** The name, of which the first letters are shown where there is no picture, and from which the colour follows. */
  name: string;
  url?: string | undefined;
  isAgent?: boolean;
}

/** A round picture, or letters. It says nothing to screen readers, since the name stands beside it. */
export function Avatar({ name, url, isAgent = false }: AvatarProps) {
  const [isBroken, setBroken] = useState(false);
  const picture = isBroken || !url ? undefined : attachmentUrl(url);
  return (
    <span className="avatar" style={{ "--hue": hueOf(name) } as React.CSSProperties} aria-hidden="true">
      {picture ? (
        <img src={picture} alt="" referrerPolicy="no-referrer" onError={() => setBroken(true)} />
      ) : isAgent ? (
        <Icon name="spark" />
      ) : (
        initials(name)
      )}
    </span>
  );
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]];
  return letters.map((word) => [...(word ?? "")][0]?.toUpperCase() ?? "").join("");
}

function hueOf(name: string): number {
  let hash = 7;
  for (const char of name) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 360;
  return hash;
}
