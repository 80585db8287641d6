"use client";

/** What stands where nothing has been written yet. */

import { usePanel } from "./panel-context.js";
import { useSupport } from "./support.js";

/** A greeting, and first questions that are sent at a click. */
export function Welcome() {
  const { options, texts } = usePanel();
  const { send } = useSupport();
  const questions = options.questions ?? [];
  return (
    <li className="welcome">
      <p className="greeting">{texts.greeting}</p>
      <p className="introduction">{texts.introduction}</p>
      {questions.length > 0 && (
        <ul className="questions" aria-label={texts.questions}>
          {questions.map((question, index) => (
            <li key={index}>
              <button type="button" className="question" dir="auto" onClick={() => void send(question)}>
                {question}
              </button>
            </li>
          ))}
        </ul>
      )}
    </li>
  );
}
