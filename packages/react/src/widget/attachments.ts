/** Files and images by address. */

import type { Attachment } from "@cossistant/protocol/types";

import { safeUrl } from "./links.js";

/** The most that one message can have. */
export const MAX_ATTACHMENTS = 10;

/** What can be shown in place. */
const IMAGES: Record<string, string> = {
  apng: "image/apng", avif: "image/avif", bmp: "image/bmp", gif: "image/gif", jpeg: "image/jpeg", jpg: "image/jpeg",
  png: "image/png", svg: "image/svg+xml", webp: "image/webp",
}; // prettier-ignore

const FILES: Record<string, string> = {
  csv: "text/csv", json: "application/json", mp3: "audio/mpeg", mp4: "video/mp4", pdf: "application/pdf", txt: "text/plain",
  zip: "application/zip",
}; // prettier-ignore

/** The address of an attachment in the form in which it may be loaded, or undefined. */
export function attachmentUrl(address: string): string | undefined {
  return safeUrl(address, ["https:", "http:"]);
}

/**
 * The attachment that an address stands for: its name from the path, its type from the ending. Undefined when the address
 * is none of the web.
 */
export function attachmentAt(address: string, id: string): Attachment | undefined {
  const url = attachmentUrl(address.trim());
  if (!url) return undefined;
  const { hostname, pathname } = new URL(url);
  const last = pathname.split("/").filter(Boolean).at(-1) ?? "";
  const ending = /\.([a-z0-9]{1,5})$/i.exec(last)?.[1]?.toLowerCase() ?? "";
  const type = IMAGES[ending] ?? FILES[ending] ?? "application/octet-stream";
  return { id, url, type, name: readable(last).slice(0, 120) || hostname };
}

/** Whether it is to be shown as a picture. */
export function isImage({ type }: Attachment): boolean {
  return /^image\/[a-z0-9.+-]+$/i.test(type);
}

/** A size for people, such as `1.2 MB`. */
export function sizeText(bytes: number, language: string): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  const format = new Intl.NumberFormat(language, {
    style: "unit",
    unit: units[step] ?? "byte",
    unitDisplay: "short",
    maximumFractionDigits: step === 0 ? 0 : 1,
  });
  return format.format(bytes / 1000 ** step);
}

function readable(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
