/** What a token says of its bearer. The server alone judges whether it is true; the page shows names by it. */

import { isRecord } from "../kept.js";

/** The claims that are of use here. */
export interface Claims {
  readonly sub: string;
  readonly type: "user" | "ai_agent" | "visitor";
  readonly org: string;
  /** Ids, or `*` for all of the organization. */
  readonly websites: readonly string[];
  /** When it ends, in s since 1970. */
  readonly exp: number;
  readonly isAdmin: boolean;
  readonly name?: string;
  readonly email?: string;
}

/** The claims of a token; undefined if it is none. */
export function readClaims(token: string): Claims | undefined {
  const [, payload, signature] = token.split(".");
  if (!payload || !signature) return undefined;
  let claims: unknown;
  try {
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
    claims = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  if (!isRecord(claims)) return undefined;
  const { sub, type, org, websites, exp, role, name, email } = claims;
  if (typeof sub !== "string" || typeof org !== "string" || typeof exp !== "number" || !Array.isArray(websites)) return undefined;
  if (type !== "user" && type !== "ai_agent" && type !== "visitor") return undefined;
  return {
    sub,
    type,
    org,
    exp,
    websites: websites.filter((id) => typeof id === "string"),
    isAdmin: role === "admin",
    ...(typeof name === "string" && { name }),
    ...(typeof email === "string" && { email }),
  };
}
