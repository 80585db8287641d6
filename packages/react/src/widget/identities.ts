/** Making a known person of the visitor, and forgetting who it was. */

import type { Client } from "@cossistant/client";

import { forGood, keptName } from "./kept.js";

/** What is used of a session. */
interface Surroundings {
  readonly server: string;
  readonly publicKey: string;
  client(): Client;
  /** This conversation of the person's is there; to be entered when there is no other. */
  follow(conversationId: string): void;
}

/** A person's conversations, as far as they are looked at. */
interface Listed {
  readonly conversations: readonly { readonly conversationId: string; readonly status: string }[];
}

/** How the session deals with identities. */
export function createIdentities({ server, publicKey, client, follow }: Surroundings) {
  const name = keptName("identity", server, publicKey);

  return {
    /**
     * Tells the server who the visitor is, unless it was told the same before: a site says it on each page, and each time
     * would be a new connection. Waits for a connection.
     */
    async identify(identityToken: string): Promise<void> {
      const person = personOf(identityToken);
      const own = client();
      await connected(own);
      if (person === undefined || forGood.get(name) !== person) {
        await own.identify(identityToken);
        forGood.set(name, person);
      }
      const { conversations } = await own.request<Listed>("GET", "/v1/conversations");
      const newest = conversations.find(({ status }) => status !== "closed");
      if (newest) follow(newest.conversationId);
    },
    /** The next visitor of this browser is another one. */
    forget(): void {
      forGood.set(name, undefined);
    },
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

function connected(client: Client): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!client.getSnapshot().isConnected) return;
      end();
      resolve();
    };
    const end = client.subscribe(look);
    look();
  });
}
