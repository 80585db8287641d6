/** What the server says to this page about itself. */

import { createClient } from "@cossistant/client";

/** Somebody as whom one may sign in by a click, while developing. */
export interface Colleague {
  /** The id of the token. */
  readonly sub: string;
  /** For people. */
  readonly name: string;
}

/** What a server for developing gives away. */
export interface DevInfo {
  readonly organizationId: string;
  readonly websiteId: string;
  readonly secretKey: string;
  /** The page with the widget. */
  readonly demoUrl: string;
  readonly people: readonly Colleague[];
}

/** See above. */
export interface AppInfo {
  readonly version: string;
  /** Null except while developing. */
  readonly dev: DevInfo | null;
}

/** How long a token of a development server lasts, in s: a working day. */
const DEV_TOKEN_TIME = 12 * 60 * 60;

/** Asks for it. Rejects with a `RequestError`. */
export function loadAppInfo(): Promise<AppInfo> {
  return createClient().request<AppInfo>("GET", "/app.json");
}

/** A token for a colleague, as a company's own server would ask for one. Rejects with a `RequestError`. */
export async function devToken(dev: DevInfo, { sub, name }: Colleague): Promise<string> {
  const server = createClient({ headers: { Authorization: `Bearer ${dev.secretKey}` } });
  const wish = { type: "user", sub, name, websites: [dev.websiteId], expiresIn: DEV_TOKEN_TIME };
  return (await server.request<{ token: string }>("POST", "/v1/tokens", wish)).token;
}
