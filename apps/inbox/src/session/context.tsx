/** Who is signed in, for whoever needs to know. */

import { createContext, use } from "react";

import type { DevInfo } from "./app-info.js";
import type { Session, SignInProblem, Website } from "./open.js";

/** The session, and what the person has chosen in it. */
export interface Signed extends Session {
  /** The website whose conversations are shown. */
  readonly website: Website;
  readonly chooseWebsite: (id: string) => void;
  /** Ends the session; `problem` says why, if it was not the person's wish. */
  readonly leave: (problem?: SignInProblem) => void;
  readonly dev: DevInfo | null;
}

/** Provides it. */
export const SignedContext = createContext<Signed | undefined>(undefined);

/** The session. */
export function useSigned(): Signed {
  const signed = use(SignedContext);
  if (!signed) throw new Error("nobody is signed in here");
  return signed;
}
