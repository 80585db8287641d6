/** A short, soft sound, made here: no file to load, and none to refuse. */

/** At most one sound in this time, in ms: ten messages at once are one sound. */
const PAUSE = 1_500;

let context: AudioContext | undefined;
let last = -PAUSE;

/** Plays it. Before anybody has clicked on the page browsers keep it silent. */
export function playSound(): void {
  const now = performance.now();
  if (now - last < PAUSE || typeof AudioContext === "undefined") return;
  last = now;
  context ??= new AudioContext();
  void context.resume().catch(() => undefined);
  const start = context.currentTime + 0.01;
  for (const [index, frequency] of [660, 880].entries()) {
    const tone = context.createOscillator();
    const volume = context.createGain();
    const from = start + index * 0.09;
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0, from);
    volume.gain.linearRampToValueAtTime(0.08, from + 0.015);
    volume.gain.exponentialRampToValueAtTime(0.0001, from + 0.28);
    tone.connect(volume).connect(context.destination);
    tone.start(from);
    tone.stop(from + 0.3);
  }
}
