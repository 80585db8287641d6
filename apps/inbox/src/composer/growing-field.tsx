import type { ComponentProps, Ref } from "react";

interface GrowingFieldProps extends ComponentProps<"textarea"> {
  value: string;
  ref?: Ref<HTMLTextAreaElement>;
}

/** A field that is as high as its text, up to eight lines: an unseen copy of the text beside it makes the room. */
export function GrowingField({ value, className = "", ...props }: GrowingFieldProps) {
  return (
    <div className="growing">
      <div className={`growing-copy ${className}`} aria-hidden dir="auto">
        {/* A line break at the end needs something behind it to count. */}
        {`${value}\u200b`}
      </div>
      <textarea {...props} value={value} className={`growing-field ${className}`} dir="auto" rows={1} />
    </div>
  );
}
