"use client";

/** The sound of a new message: off until the visitor turns it on. */

import { useCallback, useEffect, useState } from "react";

import { forGood, keptName } from "../kept.js";
import { usePanel } from "./panel-context.js";
import { useSupport } from "./support.js";

/** Whether there is a sound, and how to change that. It is played for messages that come while the page is not looked at, or the panel closed. */
export function useSound(): { isOn: boolean; toggle: () => void } {
  const { isOpen, options, server } = usePanel();
  const { onIncoming } = useSupport();
  const name = keptName("sound", server, options.publicKey);
  const [isOn, setOn] = useState(() => forGood.get(name) === "on");

  useEffect(() => {
    if (!isOn) return;
    return onIncoming(() => {
      if (!isOpen || document.hidden) play();
    });
  }, [isOn, isOpen, onIncoming]);

  const toggle = useCallback(() => {
    setOn(!isOn);
    forGood.set(name, isOn ? undefined : "on");
    // The visitor hears what it is; and browsers want to be asked by a click.
    if (!isOn) play();
  }, [isOn, name]);
  return { isOn, toggle };
}

let context: AudioContext | undefined;

/** Two soft tones, made by hand: a file would need a permission of the page's policy. */
function play(): void {
  try {
    const audio = (context ??= new AudioContext());
    void audio.resume();
    [660, 880].forEach((frequency, index) => {
      const start = audio.currentTime + index * 0.09;
      const tone = new OscillatorNode(audio, { frequency });
      const gain = new GainNode(audio, { gain: 0 });
      gain.gain.setValueAtTime(0, start);
      gain.gain.linearRampToValueAtTime(0.08, start + 0.01);
      gain.gain.exponentialRampToValueAtTime(0.0005, start + 0.25);
      tone.connect(gain).connect(audio.destination);
      tone.start(start);
      tone.stop(start + 0.3);
    });
  } catch {
    // A browser without sound.
  }
}
