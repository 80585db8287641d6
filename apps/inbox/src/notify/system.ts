/** Notifications of the operating system. */

/** Whether they may be shown, or asked for. */
export function areNotificationsPossible(): boolean {
  return typeof Notification !== "undefined" && Notification.permission !== "denied";
}

/** Asks the person, unless they were asked before; resolves with whether they may be shown. */
export async function allowNotifications(): Promise<boolean> {
  if (!areNotificationsPossible()) return false;
  return Notification.permission === "granted" || (await Notification.requestPermission()) === "granted";
}

/** What to show. */
export interface Notice {
  /** One with the same tag takes the place of the last, of another tab's too. */
  readonly tag: string;
  readonly title: string;
  readonly body: string;
  /** Called when somebody clicks on it; the page is in front by then. */
  readonly onClick: () => void;
}

/** Shows it, if that is allowed. */
export function showNotification({ tag, title, body, onClick }: Notice): void {
  if (typeof Notification === "undefined" || Notification.permission !== "granted") return;
  try {
    const shown = new Notification(title, { tag, body });
    shown.onclick = () => {
      window.focus();
      shown.close();
      onClick();
    };
  } catch {
    // Some browsers have the constructor and allow it to service workers alone.
  }
}
