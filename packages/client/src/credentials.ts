/** As whom the client connects, and where to. */

import type { ConnectionEstablished } from "@cossistant/protocol/types";

import type { VisitorTokenStore, WebSocketConfig } from "./config.js";
import type { Core } from "./core.js";
import type { TokenOutcome } from "./engine/types.js";

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
  readonly isVisitor: boolean;
  /** Whether the engine must ask before it dials. */
  readonly hasTokenSource: boolean;
  /** Gets the token to connect with. `isRefused`: the last one must not be used again. */
  ask(isRefused: boolean): Promise<TokenOutcome>;
  /** The token in use. */
  token(): string | undefined;
  /** The token in use; that of a source is got first when there is none, or when it is the one that was refused. */
  bearer(refused?: string): Promise<string | undefined>;
  /** Where to connect. Throws when the URL is none. */
  endpoint(): Endpoint;
  /** Keeps the token of a visitor that was made just now. */
  established(message: ConnectionEstablished): void;
  /** Keeps a visitor's token, or forgets it. */
  keep(token: string | null): void;
}

/** The credentials of a client. Where and as whom it connects stays as it was at first; its source is the newest. */
export function createCredentials(core: Core): Credentials {
  const { url: target = "/ws", protocols = [], headers, publicKey = "", visitorTokenStore: choice } = core.config;
  const { getToken: first } = core.config;
  const fixed = bearerOf(headers);
  const isVisitor = !first && !fixed && !!publicKey;
  let token = first ? undefined : fixed;
  /** The newest asking of the source, until it is answered. */
  let asked: Promise<TokenOutcome> | undefined;

  const address = () => {
    const url = new URL(target, globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    url.hash = "";
    return url;
  };
  const entry = () => {
    const url = address();
    url.search = "";
    return `cossistant:${url} ${publicKey}`;
  };
  /** Uses the store of visitors' tokens. One that fails keeps nothing: then a token lasts as long as the client. */
  const stored = async <Answer>(use: (store: VisitorTokenStore) => Answer): Promise<Awaited<Answer> | undefined> => {
    try {
      if (choice !== "memory") return await use(typeof choice === "object" ? choice : PAGE);
    } catch {
      core.log("token not kept");
    }
    return undefined;
  };
  const keep = (next: string | null) => {
    token = next ?? undefined;
    void stored((store) => store.set(entry(), next));
  };

  const askVisitor = async (isRefused: boolean): Promise<void> => {
    const refused = isRefused ? token : undefined;
    // Another tab may have another token by now.
    const kept = (await stored((store) => store.get(entry()))) ?? token;
    token = kept === refused ? undefined : kept;
    if (!refused) return;
    if (!token) keep(null);
    core.status.change({ identity: undefined });
    core.events.tell("onVisitorChanged");
  };

  const askSource = (): Promise<TokenOutcome> => {
    const ask = async (): Promise<TokenOutcome> => {
      try {
        const answer = await (core.config.getToken ?? first)?.();
        // Of one that was asked again meanwhile the newer answer counts.
        if (asked !== own) return asked ?? "ready";
        token = answer ?? undefined;
        return "ready";
      } catch (error) {
        core.log("no token");
        return error instanceof Error && error.name === "TokenDeniedError" ? "denied" : "failed";
      }
    };
    const own = ask().finally(() => {
      if (asked === own) asked = undefined;
    });
    asked = own;
    return own;
  };

  return {
    isVisitor,
    hasTokenSource: !!first || isVisitor,
    async ask(isRefused) {
      if (first) return askSource();
      await askVisitor(isRefused);
      return "ready";
    },
    token: () => token,
    async bearer(refused) {
      if (first && token === refused) await (asked ?? askSource());
      return token;
    },
    endpoint() {
      const url = address();
      if (isVisitor && !token) url.searchParams.set("publicKey", publicKey);
      const offered = [SUBPROTOCOL, ...[protocols].flat(), ...(token ? [`bearer.${token}`] : [])];
      return {
        url: url.href,
        protocols: [...new Set(offered)],
        principal: isVisitor ? { publicKey } : { token },
      };
    },
    established({ visitorToken }) {
      // One who came with a token was given none, so this one may be older than ours: another tab's.
      if (visitorToken && isVisitor && !token) keep(visitorToken);
    },
    keep,
  };
}

/** Headers that were warned of on this page. */
const warned = new Set<string>();

/** The token of an `Authorization` header. A browser can set none of the others, which is said once a page. */
function bearerOf(headers: Record<string, string> = {}): string | undefined {
  let bearer: string | undefined;
  for (const [name, value] of Object.entries(headers)) {
    const token = /^authorization:bearer +(\S+) *$/i.exec(`${name}:${value}`)?.[1];
    if (token) bearer = token;
    else if (!warned.has(name)) {
      warned.add(name);
      console.warn(`[cossistant] a browser cannot send ${name}`);
    }
  }
  return bearer;
}

/** The store of the page's origin. */
const PAGE: VisitorTokenStore = {
  get: (name) => localStorage.getItem(name),
  set: (name, token) => (token === null ? localStorage.removeItem(name) : localStorage.setItem(name, token)),
};
