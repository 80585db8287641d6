import { lazy, Suspense, useState, type ComponentType } from "react";

/** What every window takes. */
interface WindowProps {
  isOpen: boolean;
}

/**
 * A window that is loaded when it is first opened. From then on it stays, so that it can be seen to close and gives the
 * focus back.
 */
export function later<Props extends WindowProps>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  const Loaded = lazy(async () => ({ default: await load() }));
  return function Later(props: Props) {
    const [wasOpen, setOpen] = useState(props.isOpen);
    if (props.isOpen && !wasOpen) setOpen(true);
    return wasOpen || props.isOpen ? (
      <Suspense fallback={null}>
        {/* A lazy component takes what the loaded one does. */}
        <Loaded {...(props as Props & Record<string, unknown>)} />
      </Suspense>
    ) : null;
  };
}
