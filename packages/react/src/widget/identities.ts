/** Making a known person of the visitor, and forgetting who it was. */

import type { Client } from "@cossistant/client";

import { forGood, keptName } from "./kept.js";

/** What is used of a session. */
export interface Surroundings {
  readonly server: string;
  readonly publicKey: string;
  /** The present client; another one once there is another visitor. */
  client(): Client;
  /** Calls back when the client, or what it shows, is another one. */
  subscribe(listener: () => void): () => void;
  /** This conversation of the person's is there; to be entered when there is no other. */
  follow(conversationId: string): void;
}

/** A person's conversations, as far as they are looked at. */
interface Listed {
  readonly conversations: readonly { readonly conversationId: string; readonly status: string }[];
}

/** How the session deals with identities. */
export function createIdentities({ server, publicKey, client, subscribe, follow }: Surroundings) {
  const name = keptName("identity", server, publicKey);
  /** Who the visitor is, as this page has said last. */
  let said: string | undefined;
  /** What ends the waiting of those who wait for a connection. */
  const waiting = new Set<() => void>();

  /** The client, once it is connected. Rejects when the person is forgotten before. */
  function connected(): Promise<Client> {
    return new Promise((resolve, reject) => {
      const end = () => {
        leave();
        waiting.delete(cancel);
      };
      const cancel = () => {
        end();
        reject(new Error("the visitor was forgotten before there was a connection"));
      };
      const look = () => {
        const present = client();
        if (!present.getSnapshot().isConnected) return;
        end();
        resolve(present);
      };
      const leave = subscribe(look);
      waiting.add(cancel);
      look();
    });
  }

  async function tell(own: Client, identityToken: string): Promise<void> {
    const person = personOf(identityToken);
    if (person === undefined || forGood.get(name) !== person) {
      await own.identify(identityToken);
      if (said === identityToken) forGood.set(name, person);
    }
    const { conversations } = await own.request<Listed>("GET", "/v1/conversations");
    const newest = conversations.find(({ status }) => status !== "closed");
    if (newest && own === client()) follow(newest.conversationId);
  }

  /**
   * Tells the server who the visitor is, unless it was told the same before: a site says it on each page, and each time
   * would be a new connection. Waits for a connection. Rejects when the visitor is forgotten before that is done.
   */
  async function identify(identityToken: string): Promise<void> {
    said = identityToken;
    for (;;) {
      const own = await connected();
      try {
        return await tell(own, identityToken);
      } catch (error) {
        // One that was given up meanwhile has no answer; the next one has, as long as it is for the same person.
        if (own === client() || said !== identityToken) throw error;
      }
    }
  }

  /** Whoever waits, waits in vain. */
  function end(): void {
    said = undefined;
    for (const cancel of [...waiting]) cancel();
  }

  return {
    identify,
    /** The server knows the visitor no more, and has made another one: it is still the same person. */
    renew(): void {
      forGood.set(name, undefined);
      // Those who wait say it as soon as there is a connection.
      if (said === undefined || waiting.size > 0) return;
      identify(said).catch((error: unknown) => console.error("[cossistant] bad_identity_token:", error));
    },
    /** The next visitor of this browser is another one. */
    forget(): void {
      forGood.set(name, undefined);
      end();
    },
    end,
  };
}

/** Whom a token stands for. Nothing is decided by it but whether the server has to be told again. */
function personOf(token: string): string | undefined {
  try {
    const [, payload = ""] = token.split(".");
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
    const { sub, email, name } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    return sub === undefined ? undefined : JSON.stringify([sub, email, name]);
  } catch {
    return undefined;
  }
}
