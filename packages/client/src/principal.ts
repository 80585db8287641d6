/** What clients must have in common to share a connection or a queue. */

import type { Endpoint } from "./credentials.js";

/**
 * Names the server and who connects to it: clients of the same name are the same to the server. Undefined when that
 * cannot be told, because the token is no JWT.
 */
export function principalName({ url, principal }: Endpoint): string | undefined {
  const address = new URL(url);
  address.searchParams.delete("publicKey");
  if ("publicKey" in principal) return `${address} visitor of ${principal.publicKey}`;
  try {
    const [, claims = ""] = principal.token?.split(".") ?? [];
    const { org, type, sub, websites, role } = JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/")));
    return typeof sub === "string" ? `${address} ${JSON.stringify([org, type, sub, websites, role])}` : undefined;
  } catch {
    return undefined;
  }
}
