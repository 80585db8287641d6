/** The attributes of the script tag. What is wrong with one is said, and its default taken; only without a key there is no widget. */

import { accentTokens, isLanguage, type SupportOptions } from "@cossistant/react/widget/script/host";

/** What is wrong with an attribute. */
export interface Fault {
  /** For programs; stays the same over versions. */
  readonly code: `bad_${string}` | "missing_public_key";
  /** For the site's developers. */
  readonly text: string;
}

/** What the attributes say. Without options nothing can be shown. */
export interface Attributes {
  readonly options: SupportOptions | undefined;
  readonly faults: readonly Fault[];
}

/** Attributes with what follows `data-`; in `dataset` of the element they are in camel case. */
type Data = Readonly<Record<string, string | undefined>>;

const KNOWN = [
  "publicKey", "server", "color", "theme", "position", "language", "direction", "name", "questions", "identityToken",
] as const; // prettier-ignore

/** Questions that fit into a panel. */
const MAX_QUESTIONS = 6;

/** Reads the attributes. `origin` is where the script comes from. `computed` makes sense of a colour of any form. */
export function readAttributes(data: Data, origin: string, computed: (color: string) => string | undefined): Attributes {
  const faults: Fault[] = [];
  const fault = (code: Fault["code"], text: string) => {
    faults.push({ code, text });
    return undefined;
  };
  const oneOf = <Value extends string>(name: (typeof KNOWN)[number], values: readonly Value[]): Value | undefined => {
    const text = data[name]?.trim();
    if (!text) return undefined;
    const value = values.find((known) => known === text.toLowerCase());
    return value ?? fault(`bad_${name}`, `data-${name} is "${clip(text)}", and has to be one of ${values.join(", ")}`);
  };

  const publicKey = data["publicKey"]?.trim();
  if (!publicKey) {
    fault("missing_public_key", "the script tag needs data-public-key with the website's public key");
    return { options: undefined, faults };
  }
  if (!/^pk_[\w-]{1,120}$/.test(publicKey)) {
    fault("bad_public_key", `data-public-key is "${clip(publicKey)}", which is no public key: these begin with pk_`);
    return { options: undefined, faults };
  }
  const { color, language, name, identityToken } = data;
  const options: SupportOptions = {
    publicKey,
    server: serverIn(data["server"]) ?? (data["server"] ? fault("bad_server", `data-server is "${clip(data["server"])}", which is no http address`) : undefined) ?? origin,
    color: !color || accentTokens(color, computed) ? color || undefined : fault("bad_color", `data-color is "${clip(color)}", which is no colour`),
    theme: oneOf("theme", ["auto", "light", "dark"]),
    position: oneOf("position", ["left", "right"]),
    direction: oneOf("direction", ["ltr", "rtl"]),
    language: !language || isLanguage(language) ? language || undefined : fault("bad_language", `data-language is "${clip(language)}", which is no language tag`),
    name: name?.trim().slice(0, 80) || undefined,
    questions: questionsIn(data["questions"], fault),
    identityToken: !identityToken || /^[\w-]+\.[\w-]+\.[\w-]+$/.test(identityToken) ? identityToken || undefined : fault("bad_identity_token", "data-identity-token is no JWT"),
  };
  return { options, faults };
}

/** Questions are a list in JSON, or lines, or parts between bars. */
function questionsIn(text: string | undefined, fault: (code: Fault["code"], text: string) => undefined): string[] | undefined {
  if (!text?.trim()) return undefined;
  let list: unknown = text.split(/[|\n]/);
  if (text.trim().startsWith("[")) {
    try {
      list = JSON.parse(text);
    } catch {
      return fault("bad_questions", "data-questions begins like a list in JSON, and is none");
    }
  }
  if (!Array.isArray(list) || list.some((question) => typeof question !== "string")) {
    return fault("bad_questions", "data-questions has to be a list of texts");
  }
  // Each is a text, as was just looked at.
  return (list as string[]).map((question) => question.trim().slice(0, 200)).filter(Boolean).slice(0, MAX_QUESTIONS);
}

function serverIn(text: string | undefined): string | undefined {
  if (!text) return undefined;
  try {
    const { href, protocol } = new URL(text);
    return protocol === "https:" || protocol === "http:" ? href.replace(/\/+$/, "") : undefined;
  } catch {
    return undefined;
  }
}

/** A wrong value may be anything. */
const clip = (text: string) => (text.length > 40 ? `${text.slice(0, 40)}…` : text);
