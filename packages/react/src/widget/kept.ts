/** What the widget keeps in the browser: for good, or for one tab. Where the page may keep nothing, it lasts as long as the page. */

/** Texts by name. */
export interface Kept {
  get(name: string): string | undefined;
  /** Keeps a text; `undefined` forgets it. */
  set(name: string, text: string | undefined): void;
}

function keptIn(area: () => Storage): Kept {
  const memory = new Map<string, string>();
  return {
    get(name) {
      try {
        return area().getItem(name) ?? undefined;
      } catch {
        return memory.get(name);
      }
    },
    set(name, text) {
      if (text === undefined) memory.delete(name);
      else memory.set(name, text);
      try {
        if (text === undefined) area().removeItem(name);
        else area().setItem(name, text);
      } catch {
        // It is forbidden or full.
      }
    },
  };
}

/** Over visits, for all tabs. */
export const forGood: Kept = keptIn(() => localStorage);
/** Over reloads and ways through the site, for this tab. */
export const forTab: Kept = keptIn(() => sessionStorage);

/** Kinds of things that are kept. */
export type KeptKind = "conversation" | "open" | "draft" | "sound" | "identity" | "reset" | "forgotten";

/** The name of what is kept for a website of a server. */
export function keptName(kind: KeptKind, server: string, publicKey: string): string {
  return `cossistant:${kind} ${server} ${publicKey}`;
}

/** The name of the visitor's token, as the client itself would give it. */
export function tokenName(server: string, publicKey: string): string {
  return `cossistant:${server.replace("http", "ws")}/ws ${publicKey}`;
}

/**
 * Forgets the visitor, in all tabs. Which reset was the last one stays for good: a tab in which it is another one has
 * something of the visitor before, and so has the database until it is `forgotten`.
 */
export function forgetVisitor(server: string, publicKey: string): void {
  const name = (kind: KeptKind) => keptName(kind, server, publicKey);
  forGood.set(name("reset"), `${Date.now()} ${Math.random()}`);
  forGood.set(name("identity"), undefined);
  forGood.set(name("conversation"), undefined);
  forGood.set(tokenName(server, publicKey), undefined);
  forTab.set(name("draft"), undefined);
}
