/** What a test tells a page, in the query of its address, so that it still holds after a reload. */

import type { WebSocketConfig } from "@cossistant/client";

/** Options of a test page. */
export interface PageOptions {
  /** The client's choices, as far as JSON can say them. */
  config: WebSocketConfig;
  /** Ask the site for a token for this person, as `type:sub`. */
  person?: string;
  /** Conversations to hold, with their replica. */
  conversations?: string[];
  /** Websites to subscribe to. */
  websites?: string[];
}

/** One thing that a page tells the test. */
export interface PageEvent {
  /** The handler's name, or the page's own word. */
  name: string;
  /** What it was called with. */
  data?: unknown;
}

declare global {
  interface Window {
    /** Tells the test. */
    report(event: PageEvent): Promise<void>;
  }
}

/** The options of this page. */
export function pageOptions(): PageOptions {
  return JSON.parse(new URLSearchParams(location.search).get("options") ?? "{}") as PageOptions;
}

/** The config of this page, with a token source if it has a person. */
export function pageConfig({ config, person }: PageOptions): WebSocketConfig {
  if (person === undefined) return config;
  const [type = "", sub = ""] = person.split(":");
  return {
    ...config,
    getToken: async () => {
      const response = await fetch(`/token?type=${type}&sub=${sub}`);
      if (!response.ok) throw new Error(`the site has no token: ${response.status}`);
      return response.text();
    },
  };
}
