"use client";

/** A few emoji; whoever wants others has them on the keyboard. */

/** What is offered. */
const EMOJI = ["😀", "😄", "😅", "😂", "🙂", "😉", "😊", "😍", "🤔", "😕", "😢", "😡", "👍", "👎", "🙏", "👏", "🙌", "💪", "👋", "🎉", "❤️", "🔥", "✅", "❌"];

/** The choice of emoji. */
export function EmojiChoice({ label, onChoose }: { label: string; onChoose: (emoji: string) => void }) {
  return (
    <div className="emoji-choice" role="group" aria-label={label}>
      {EMOJI.map((emoji) => (
        <button key={emoji} type="button" className="tool" onClick={() => onChoose(emoji)}>
          {emoji}
        </button>
      ))}
    </div>
  );
}
