import { useActionState, useId, useState } from "react";

import { Avatar } from "../people/avatar.js";
import { devToken, type AppInfo, type Colleague } from "./app-info.js";
import { openSession, SignInError, stayIn, type Session, type SignInProblem } from "./open.js";

/** What to say of each problem, and what to do. */
const ADVICE: Record<SignInProblem, string> = {
  no_token: "That is not a token. Paste the whole of it, from the first to the last dot and what follows.",
  not_team: "That token is not one of a team member. Ask for one of the type “user”.",
  expired: "Your access has ended. Sign in again with a new token.",
  refused: "The server does not accept this token. It may have been revoked, or be for another server.",
  no_website: "This token is good for no website that exists here. Ask an administrator for access.",
  which_website: "This token is good for every website. Say which one you want to answer for.",
  unreachable: "The server did not answer. Check your network and try again.",
};

interface SignInProps {
  info: AppInfo;
  /** Why somebody who was signed in is not any more. */
  problem: SignInProblem | undefined;
  onSignedIn: (session: Session) => void;
}

/** The first page: a token, or, while developing, a choice of people. */
export function SignIn({ info, problem: told, onSignedIn }: SignInProps) {
  const id = useId();
  // It stays when signing in fails: nobody wants to paste it twice.
  const [token, setToken] = useState("");
  const [problem, signIn, isBusy] = useActionState(async (_: SignInProblem | undefined, wish: FormData | Colleague) => {
    try {
      const [token, websiteId, isLasting] = await wishOf(wish, info);
      const session = await openSession(token, websiteId);
      stayIn({ token, websiteId }, isLasting);
      onSignedIn(session);
      return undefined;
    } catch (error) {
      return error instanceof SignInError ? error.problem : "unreachable";
    }
  }, told);

  return (
    <main className="sign-in">
      <title>Inbox</title>
      <div className="sign-in-card">
        <h1>Inbox</h1>
        <p className="soft">Answer your visitors while they are still there.</p>
        {problem && (
          <p className="sign-in-problem" role="alert" id={`${id}-problem`}>
            {ADVICE[problem]}
          </p>
        )}
        {info.dev && <People people={info.dev.people} isBusy={isBusy} onChoose={signIn} />}
        <form action={signIn}>
          <label htmlFor={`${id}-token`}>{info.dev ? "Or with a token" : "Your token"}</label>
          <textarea
            id={`${id}-token`}
            name="token"
            value={token}
            onChange={(event) => setToken(event.target.value)}
            className="field token"
            rows={3}
            required
            spellCheck={false}
            autoComplete="off"
            autoFocus={!info.dev}
            aria-describedby={problem && `${id}-problem`}
          />
          {problem === "which_website" && (
            <>
              <label htmlFor={`${id}-website`}>Website</label>
              <input id={`${id}-website`} name="websiteId" className="field" required autoFocus placeholder="website-123" />
            </>
          )}
          <label className="check">
            <input type="checkbox" name="isLasting" /> Keep me signed in on this device
          </label>
          <button type="submit" className="button primary" disabled={isBusy}>
            {isBusy ? "Signing in …" : "Sign in"}
          </button>
        </form>
      </div>
    </main>
  );
}

interface PeopleProps {
  people: readonly Colleague[];
  isBusy: boolean;
  onChoose: (person: Colleague) => void;
}

function People({ people, isBusy, onChoose }: PeopleProps) {
  return (
    <form className="people" aria-label="Sign in as">
      {people.map((person) => (
        <button key={person.sub} formAction={() => onChoose(person)} className="person-choice" disabled={isBusy}>
          <Avatar id={person.sub} name={person.name} />
          <span>
            Continue as <b>{person.name}</b>
          </span>
        </button>
      ))}
      <p className="soft small">This is a development server: one click is enough, for anybody.</p>
    </form>
  );
}

/** The token, the website if one was named, and whether to stay signed in. */
async function wishOf(wish: FormData | Colleague, { dev }: AppInfo): Promise<[string, string | undefined, boolean]> {
  if (!(wish instanceof FormData)) {
    if (!dev) throw new SignInError("no_token");
    // For this tab alone, so that two tabs can be two people.
    return [await devToken(dev, wish), undefined, false];
  }
  const text = (name: string): string => String(wish.get(name) ?? "").trim();
  return [text("token"), text("websiteId") || undefined, wish.has("isLasting")];
}
