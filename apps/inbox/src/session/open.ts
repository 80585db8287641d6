/** Signing in and out: from a token to a session. */

import { createClient, RequestError, type Client } from "@cossistant/client";

import { isRecord } from "../kept.js";
import { loadAppInfo, type AppInfo } from "./app-info.js";
import { readClaims, type Claims } from "./claims.js";

/** A website that one may answer for. */
export interface Website {
  readonly id: string;
  readonly name: string;
  /** Its own colour. */
  readonly accent?: string;
}

/** Somebody who is signed in. */
export interface Session {
  readonly me: Claims;
  /** At least one. */
  readonly websites: readonly [Website, ...Website[]];
  /** Gives the token; the same function for the session's life. */
  readonly getToken: () => string;
  /** An HTTP request with the session's token. */
  readonly request: Client["request"];
}

/** Why nobody is signed in. */
export type SignInProblem =
  /** What was pasted is no token. */
  | "no_token"
  /** It is a visitor's or an agent's. */
  | "not_team"
  /** It is over. */
  | "expired"
  /** The server does not take it. */
  | "refused"
  /** It is good for no website that exists. */
  | "no_website"
  /** It is good for all websites of its organization, and none was named. */
  | "which_website"
  /** There was no answer. */
  | "unreachable";

/** Thrown when signing in failed. */
export class SignInError extends Error {
  override readonly name = "SignInError";

  constructor(readonly problem: SignInProblem) {
    super(`not signed in: ${problem}`);
  }
}

/** What the page begins with. */
export interface Start {
  readonly info: AppInfo;
  /** Whoever was signed in before a reload, and still is. */
  readonly session: Session | undefined;
  /** Why somebody who was signed in is not any more. */
  readonly problem: SignInProblem | undefined;
}

/** What is kept of somebody who is signed in. */
interface Kept {
  readonly token: string;
  /** The website that was named, of a token for all. */
  readonly websiteId?: string | undefined;
}

const NAME = "cossistant-inbox:session";
/** How many websites one inbox offers at the most. */
const WEBSITES_MAX = 50;

/** Asks the server who it is, and signs in again with the token that was kept. Rejects when there is no answer. */
export async function begin(): Promise<Start> {
  const kept = keptSession();
  const [info, opened] = await Promise.all([
    loadAppInfo(),
    kept && openSession(kept.token, kept.websiteId).catch((error: SignInError) => error),
  ]);
  if (!(opened instanceof SignInError)) return { info, session: opened, problem: undefined };
  if (opened.problem === "unreachable") throw opened;
  signOut();
  return { info, session: undefined, problem: opened.problem };
}

/**
 * A session by a token. A token for all websites does not say which there are: `websiteId` names one. Rejects with a
 * `SignInError`.
 */
export async function openSession(token: string, websiteId?: string): Promise<Session> {
  const me = readClaims(token);
  if (!me) throw new SignInError("no_token");
  if (me.type !== "user") throw new SignInError("not_team");
  if (me.exp * 1000 <= Date.now()) throw new SignInError("expired");
  const ids = me.websites.includes("*") ? [websiteId].filter((id) => id !== undefined) : me.websites;
  if (ids.length === 0) throw new SignInError(me.websites.length === 0 ? "no_website" : "which_website");
  const getToken = (): string => token;
  const { request } = createClient({ getToken });
  const asked = ids.slice(0, WEBSITES_MAX).map((id) => findWebsite(id, request));
  const [first, ...more] = (await Promise.all(asked)).filter((website) => website !== undefined);
  if (!first) throw new SignInError("no_website");
  return { me, websites: [first, ...more], getToken, request };
}

/** Stays signed in over a reload; `isLasting`: when the browser is closed, too. */
export function stayIn(kept: Kept, isLasting: boolean): void {
  signOut();
  try {
    (isLasting ? localStorage : sessionStorage).setItem(NAME, JSON.stringify(kept));
  } catch {
    // Then one signs in again after a reload.
  }
}

/** Forgets who was signed in. */
export function signOut(): void {
  try {
    localStorage.removeItem(NAME);
    sessionStorage.removeItem(NAME);
  } catch {
    // Nothing can be stored, so nothing is.
  }
}

/** Calls back when the session that this tab shares with others was ended by one of them. Gives what stops that. */
export function onSignedOutElsewhere(listener: () => void): () => void {
  const listen = ({ key, newValue }: StorageEvent): void => {
    // A tab with a session of its own is not concerned, and one that signs in again has written anew by now.
    if (key === NAME && newValue === null && keptSession() === undefined) listener();
  };
  window.addEventListener("storage", listen);
  return () => window.removeEventListener("storage", listen);
}

function keptSession(): Kept | undefined {
  try {
    const kept: unknown = JSON.parse(sessionStorage.getItem(NAME) ?? localStorage.getItem(NAME) ?? "null");
    if (!isRecord(kept) || typeof kept["token"] !== "string") return undefined;
    const { token, websiteId } = kept;
    return { token, websiteId: typeof websiteId === "string" ? websiteId : undefined };
  } catch {
    return undefined;
  }
}

/** A website; undefined if it is gone, or is not for this token. */
async function findWebsite(id: string, request: Client["request"]): Promise<Website | undefined> {
  try {
    return await request<Website>("GET", `/v1/websites/${encodeURIComponent(id)}`);
  } catch (error) {
    const status = error instanceof RequestError ? error.status : 0;
    if (status === 404 || status === 403) return undefined;
    throw new SignInError(status === 401 ? "refused" : "unreachable");
  }
}
