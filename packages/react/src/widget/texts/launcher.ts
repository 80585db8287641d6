/** What is said before the panel is loaded, in all languages. */

/** The texts of the button that opens the panel. */
export interface LauncherTexts {
  /** The button while the panel is closed; `unread` is how many messages wait. */
  open(unread: number): string;
  /** The button while the panel is open, and the one in the panel. */
  close: string;
}

/** The languages that are included. */
export const LANGUAGES = ["en", "fr", "de"] as const;

/** A language that is included. */
export type SupportLanguage = (typeof LANGUAGES)[number];

/** The texts of the launcher by language. */
export const launcherTexts: Record<SupportLanguage, LauncherTexts> = {
  en: {
    open: (unread) => (unread ? `Open chat, ${unread} unread ${unread === 1 ? "message" : "messages"}` : "Open chat"),
    close: "Close chat",
  },
  fr: {
    open: (unread) =>
      unread ? `Ouvrir la discussion, ${unread} ${unread === 1 ? "message non lu" : "messages non lus"}` : "Ouvrir la discussion",
    close: "Fermer la discussion",
  },
  de: {
    open: (unread) => (unread ? `Chat öffnen, ${unread} ungelesene ${unread === 1 ? "Nachricht" : "Nachrichten"}` : "Chat öffnen"),
    close: "Chat schließen",
  },
};

/** The included language of a tag such as `fr-CA`; English for all others. */
export function includedLanguage(tag: string): SupportLanguage {
  const [primary] = tag.toLowerCase().split("-");
  return LANGUAGES.find((language) => language === primary) ?? "en";
}
