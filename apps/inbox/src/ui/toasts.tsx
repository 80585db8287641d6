import { Toast } from "@base-ui/react/toast";
import { X } from "lucide-react";

/** How long a toast stays, in ms; while somebody points at it, or is in it, it does not go. */
const TIMEOUT = 6_000;

const toasts = Toast.createToastManager();

/** Says something in passing; with `undo` it can be taken back. */
export function say(title: string, undo?: () => void): void {
  const id: string = toasts.add({
    title,
    timeout: TIMEOUT,
    ...(undo && {
      actionProps: {
        children: "Undo",
        onClick: () => {
          undo();
          toasts.close(id);
        },
      },
    }),
  });
}

/** Where they are shown. */
export function Toasts() {
  return (
    <Toast.Provider toastManager={toasts} limit={3}>
      <Toast.Portal>
        <Toast.Viewport className="toasts">
          <Shown />
        </Toast.Viewport>
      </Toast.Portal>
    </Toast.Provider>
  );
}

function Shown() {
  return Toast.useToastManager().toasts.map((toast) => (
    <Toast.Root key={toast.id} toast={toast} className="toast" swipeDirection={["down", "right"]}>
      <Toast.Content className="toast-content">
        <Toast.Title className="toast-title" />
        <Toast.Action className="toast-action" />
        <Toast.Close className="icon-button" aria-label="Close">
          <X />
        </Toast.Close>
      </Toast.Content>
    </Toast.Root>
  ));
}
