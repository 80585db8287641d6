/** As whom the client connects, and where to. */

import type { ConnectionEstablished } from "@cossistant/protocol/types";

import type { VisitorTokenStore, WebSocketConfig } from "./config.js";
import type { TokenOutcome } from "./engine/types.js";
import type { Log } from "./log.js";

/** The subprotocol that this client speaks. */
const SUBPROTOCOL = "cossistant.v1";

/** Where to connect, and as whom. */
export interface Endpoint {
  /** The WebSocket's address. */
  readonly url: string;
  /** The subprotocols to offer, the token among them. */
  readonly protocols: string[];
  /** Who connects, the same in all tabs that may share a connection: a public key, or a token. */
  readonly principal: { readonly publicKey: string } | { readonly token: string | undefined };
}

/** The credentials of one client: those of `getToken`, of `headers`, or of the visitor of a public key. */
export interface Credentials {
  /** Whether the client is an anonymous visitor, or one whom the server has made known. */
  isVisitor(): boolean;
  /** Whether the engine must ask before it dials. */
  hasTokenSource(): boolean;
  /** Gets the token to connect with. `isRefused`: the last one must not be used again. */
  ask(isRefused: boolean): Promise<TokenOutcome>;
  /** The token in use. */
  token(): string | undefined;
  /** The token in use; that of a source is got first when there is none, or when it is the one that was refused. */
  bearer(refused?: string): Promise<string | undefined>;
  /** Where to connect. Throws when the URL is none. */
  endpoint(): Endpoint;
  /** The base of the HTTP interface. Throws when the URL is none. */
  httpBase(): string;
  /** Keeps the token of a visitor that was made just now. */
  established(message: ConnectionEstablished): void;
  /** Keeps a visitor's token, or forgets it. */
  keep(token: string | null): void;
}

/** The credentials of this configuration, which is read anew each time. `visitorChanged` is called when one was refused. */
export function createCredentials(config: () => WebSocketConfig, log: Log, visitorChanged: () => void): Credentials {
  const store = createTokenStore(config().visitorTokenStore, log);
  const fixed = bearerOf(config().headers);
  let token: string | undefined;
  let asked = 0;

  const isVisitor = () => !config().getToken && !fixed && !!config().publicKey;
  const address = () => {
    const url = new URL(config().url ?? "/ws", globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.hash = "";
    return url;
  };
  const entry = () => {
    const url = address();
    url.search = "";
    return `cossistant:${url} ${config().publicKey}`;
  };
  const keep = (next: string | null) => {
    token = next ?? undefined;
    store.set(entry(), next);
  };

  const askVisitor = async (isRefused: boolean): Promise<void> => {
    const refused = isRefused ? token : undefined;
    // Another tab may have another token by now.
    const kept = (await store.get(entry())) ?? undefined;
    token = kept === refused ? undefined : kept;
    if (!refused) return;
    if (!token) keep(null);
    visitorChanged();
  };

  const askSource = async (source: NonNullable<WebSocketConfig["getToken"]>): Promise<TokenOutcome> => {
    const request = ++asked;
    try {
      const answer = await source();
      // A source that was asked again meanwhile has a newer answer.
      if (request === asked) token = answer ?? undefined;
      return "ready";
    } catch (error) {
      log("no token", error instanceof Error ? error.name : typeof error);
      return error instanceof Error && error.name === "TokenDeniedError" ? "denied" : "failed";
    }
  };

  const present = () => (config().getToken || isVisitor() ? token : fixed);

  return {
    isVisitor,
    hasTokenSource: () => !!config().getToken || isVisitor(),
    async ask(isRefused) {
      const { getToken } = config();
      if (getToken) return askSource(getToken);
      if (isVisitor()) await askVisitor(isRefused);
      return "ready";
    },
    token: present,
    async bearer(refused) {
      const { getToken } = config();
      if (getToken && token === refused) await askSource(getToken);
      return present();
    },
    endpoint() {
      const { publicKey = "", protocols = [] } = config();
      const bearer = present();
      const url = address();
      if (isVisitor() && !bearer) url.searchParams.set("publicKey", publicKey);
      const offered = [SUBPROTOCOL, ...[protocols].flat(), ...(bearer ? [`bearer.${bearer}`] : [])];
      return {
        url: url.href,
        protocols: [...new Set(offered)],
        principal: isVisitor() ? { publicKey } : { token: bearer },
      };
    },
    httpBase() {
      const url = address();
      return url.origin.replace("ws", "http") + url.pathname.replace(/\/+$/, "").replace(/\/ws$/, "");
    },
    established({ visitorToken }) {
      // One who came with a token was given none, so this one may be older than ours: another tab's.
      if (visitorToken && isVisitor() && !token) keep(visitorToken);
    },
    keep,
  };
}

/** The token of an `Authorization` header. A browser can set none of the others, which is said once. */
function bearerOf(headers: Record<string, string> = {}): string | undefined {
  let bearer: string | undefined;
  for (const [name, value] of Object.entries(headers)) {
    const [, token] = /^authorization$/i.test(name) ? (/^bearer +(\S+) *$/i.exec(value) ?? []) : [];
    if (token) bearer = token;
    else console.warn(`[cossistant] a browser cannot send the header ${name}; it is left out`);
  }
  return bearer;
}

/** A store that never fails: what it cannot keep lasts as long as the client. */
function createTokenStore(choice: WebSocketConfig["visitorTokenStore"] = "localStorage", log: Log): VisitorTokenStore {
  const memory = new Map<string, string | null>();
  const own: VisitorTokenStore =
    typeof choice === "object"
      ? choice
      : {
          get: (name) => localStorage.getItem(name),
          set: (name, token) => (token === null ? localStorage.removeItem(name) : localStorage.setItem(name, token)),
        };
  if (choice === "memory") {
    return { get: (name) => memory.get(name), set: (name, token) => void memory.set(name, token) };
  }
  const failed = () => log("visitor tokens cannot be kept");
  return {
    async get(name) {
      try {
        return (await own.get(name)) ?? memory.get(name);
      } catch {
        failed();
        return memory.get(name);
      }
    },
    async set(name, token) {
      memory.set(name, token);
      try {
        await own.set(name, token);
        memory.delete(name);
      } catch {
        failed();
      }
    },
  };
}
