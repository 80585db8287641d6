import { CSPProvider } from "@base-ui/react/csp-provider";
import { lazy, Suspense, use, useEffect, useMemo, useState } from "react";

import { createKept } from "./kept.js";
import { goTo } from "./route.js";
import { SignedContext, type Signed } from "./session/context.js";
import { begin, onSignedOutElsewhere, signOut, type Session, type SignInProblem, type Start } from "./session/open.js";
import { SignIn } from "./session/sign-in.js";
import { Boundary, Failed, Starting } from "./shell/boundary.js";

/** The website that was chosen last. */
const lastWebsite = createKept("website", (stored) => (typeof stored === "string" ? stored : ""));

// Loaded beside the answer to who is signed in; without it the first page is there sooner.
const loadShell = import("./shell/shell.js");
const Shell = lazy(async () => ({ default: (await loadShell).Shell }));

/** The whole page. */
export function App({ start: first }: { start: Promise<Start> }) {
  // `tries` is the key of what a start is shown by: a new one is not judged by the failure of the last.
  const [{ start, tries }, setStart] = useState({ start: first, tries: 0 });
  return (
    // Its components may make no <style> elements of their own: the page's policy forbids them.
    <CSPProvider disableStyleElements>
        <Boundary key={tries} fallback={<Failed onRetry={() => setStart({ start: begin(), tries: tries + 1 })} />}>
          <Suspense fallback={<Starting />}>
            <Gate start={start} />
          </Suspense>
        </Boundary>
    </CSPProvider>
  );
}

/** Lets in who is signed in. */
function Gate({ start }: { start: Promise<Start> }) {
  const { info, ...first } = use(start);
  const [session, setSession] = useState(first.session);
  const [problem, setProblem] = useState(first.problem);
  const leave = useMemo(
    () => (why?: SignInProblem) => {
      signOut();
      setProblem(why);
      setSession(undefined);
    },
    [],
  );
  // Whoever signs out in one tab is out of all that shared it.
  useEffect(() => onSignedOutElsewhere(() => setSession(undefined)), []);
  if (!session) return <SignIn info={info} problem={problem} onSignedIn={setSession} />;
  return <SignedIn key={session.me.sub} session={session} leave={leave} dev={info.dev} />;
}

interface SignedInProps extends Pick<Signed, "leave" | "dev"> {
  session: Session;
}

function SignedIn({ session, leave, dev }: SignedInProps) {
  const [websiteId, setWebsite] = useState(lastWebsite.get);
  const signed = useMemo<Signed>(() => {
    const website = session.websites.find(({ id }) => id === websiteId) ?? session.websites[0];
    const chooseWebsite = (id: string): void => {
      // What is open belongs to the other one.
      goTo(undefined);
      lastWebsite.set(() => id);
      setWebsite(id);
    };
    return { ...session, website, chooseWebsite, leave, dev };
  }, [session, websiteId, leave, dev]);
  return (
    <SignedContext value={signed}>
      <Shell />
    </SignedContext>
  );
}
