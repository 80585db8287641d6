/** What a site may choose. */

import type { WebSocketConfig } from "@cossistant/client";

import { launcherTexts, includedLanguage } from "./texts/launcher.js";
import type { SupportTexts } from "./texts/texts.js";

/** The connection's own choices that a site may make; the others are the widget's. */
export type SupportConnection = Pick<
  WebSocketConfig,
  "reconnectDelay" | "maxReconnectDelay" | "connectTimeout" | "heartbeatInterval" | "requestTimeout" | "maxQueueAge" | "debug"
>;

/** The choices of a site. All but the public key have a default. */
export interface SupportOptions {
  /** The website's public key, `pk_…`. */
  readonly publicKey: string;
  /** The server's address, `https://…`. Default: the page's own origin. */
  readonly server?: string | undefined;
  /** A token of the site's own server that says who the visitor is. See `POST /v1/visitors`. */
  readonly identityToken?: string | undefined;
  /** The team's name, in the head of the panel. */
  readonly name?: string | undefined;
  /** The site's colour, in any form of CSS. Corrected so that all can be read. */
  readonly color?: string | undefined;
  /** Default: `auto`, as the visitor's system has it. */
  readonly theme?: "light" | "dark" | "auto" | undefined;
  /** In which corner of the window. Default: `right`, and `left` where the language is written from right to left. */
  readonly position?: "left" | "right" | undefined;
  /** The language of texts, dates and numbers, such as `fr` or `fr-CA`. Default: the page's, or else the browser's. */
  readonly language?: string | undefined;
  /** Texts in place of those of the language; all of them make another language. */
  readonly texts?: Partial<SupportTexts> | undefined;
  /** Which way the language is written. Default: what is known of the language. */
  readonly direction?: "ltr" | "rtl" | undefined;
  /** First questions to suggest. */
  readonly questions?: readonly string[] | undefined;
  /** How the connection behaves. */
  readonly connection?: SupportConnection | undefined;
}

/** Languages that are written from right to left. */
const RIGHT_TO_LEFT = ["ar", "arc", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "syr", "ug", "ur", "yi"];

/** The language of these options on this page. A tag that is none would make dates fail. */
export function languageOf({ language }: SupportOptions): string {
  for (const tag of [language, document.documentElement.lang, navigator.language]) {
    if (tag && isLanguage(tag)) return tag;
  }
  return "en";
}

/** Whether a text is the tag of a language. */
export function isLanguage(tag: string): boolean {
  try {
    return Intl.getCanonicalLocales(tag).length > 0;
  } catch {
    return false;
  }
}

/** Which way these options are written. */
export function directionOf(options: SupportOptions): "ltr" | "rtl" {
  const [primary = ""] = languageOf(options).toLowerCase().split("-");
  return options.direction ?? (RIGHT_TO_LEFT.includes(primary) ? "rtl" : "ltr");
}

/** The corner of these options. */
export function positionOf(options: SupportOptions): "left" | "right" {
  return options.position ?? (directionOf(options) === "rtl" ? "left" : "right");
}

/** What the launcher says under these options. */
export function launcherTextsOf(options: SupportOptions) {
  const { open, close } = { ...launcherTexts[includedLanguage(languageOf(options))], ...options.texts };
  return { open, close };
}

/** The address of the server, without a slash at its end. */
export function serverOf({ server = "" }: SupportOptions): string {
  return new URL(server, location.origin).href.replace(/\/+$/, "");
}
