"use client";

/** The widget's pictures: lines of one width, in the colour of the text. */

const PATHS = {
  send: ["M12 19V5.5", "m6 11.5 6-6 6 6"],
  close: ["m6.5 9.5 5.5 5.5 5.5-5.5"],
  attach: ["m19.5 11.5-7.3 7.3a4.8 4.8 0 0 1-6.8-6.8l7.8-7.8a3.2 3.2 0 0 1 4.5 4.5l-7.7 7.7a1.6 1.6 0 0 1-2.3-2.2l7-7.1"],
  emoji: ["M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17Z", "M8.5 14a4.2 4.2 0 0 0 7 0", "M9 9.5v.5", "M15 9.5v.5"],
  remove: ["m7 7 10 10", "m17 7-10 10"],
  tick: ["m5 12.5 4.5 4.5L19 7.5"],
  ticks: ["m2.5 12.5 4.5 4.5L16.5 7.5", "m12.5 16 1 1L23 7.5"],
  clock: ["M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17Z", "M12 7.5V12l3 2"],
  alert: ["M12 20.5a8.5 8.5 0 1 0 0-17 8.5 8.5 0 0 0 0 17Z", "M12 7.5v5.5", "M12 16.2v.1"],
  spark: ["M12 3.5c.8 5 3.5 7.7 8.5 8.5-5 .8-7.7 3.5-8.5 8.5-.8-5-3.5-7.7-8.5-8.5 5-.8 7.7-3.5 8.5-8.5Z"],
  sound: ["M4.5 9.5v5h3.5l4.5 4V5.5l-4.5 4Z", "M16 9a4.5 4.5 0 0 1 0 6", "M18.5 6.5a8 8 0 0 1 0 11"],
  mute: ["M4.5 9.5v5h3.5l4.5 4V5.5l-4.5 4Z", "m16.5 9.5 5 5", "m21.5 9.5-5 5"],
  person: ["M12 11.5a3.8 3.8 0 1 0 0-7.6 3.8 3.8 0 0 0 0 7.6Z", "M4.5 20c.8-3.7 3.8-5.5 7.5-5.5s6.7 1.8 7.5 5.5"],
  file: ["M13.5 3.5h-6a2 2 0 0 0-2 2v13a2 2 0 0 0 2 2h9a2 2 0 0 0 2-2v-10Z", "M13.5 3.5v5h5"],
  down: ["M12 5v13.5", "m6 12.5 6 6 6-6"],
  offline: ["M3 4.5 20 20.5", "M5 12.5a10 10 0 0 1 4.5-2.6", "M14 9.8a10 10 0 0 1 5 2.7", "M8.5 16a5 5 0 0 1 6 -.5", "M12 19.5v.1"],
} as const;

/** A picture of the widget. */
export type IconName = keyof typeof PATHS;

/** A picture. It says nothing to screen readers: what it stands for is said beside it. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {PATHS[name].map((path) => (
        <path key={path} d={path} />
      ))}
    </svg>
  );
}
