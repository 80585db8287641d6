/** What a failed test leaves behind: every open page is told as it stands, for whoever has nothing but the log. */

import type { Browser, ConsoleMessage, Page } from "playwright-core";
import { afterEach } from "vitest";

/** How much of a page is told. */
const EVENTS = 30;
const PROBLEMS = 10;
/** How long a page is waited for, in ms: one that hangs cannot tell. */
const PATIENCE = 5_000;

const browsers = new Set<Browser>();

/** Looks at everything that is opened in this browser from now on. */
export function watch(browser: Browser): void {
  browsers.add(browser);
  browser.on("disconnected", () => browsers.delete(browser));
  browser.on("context", (context) => void context.addInitScript(record, EVENTS).catch(() => undefined));
}

// The configurations run hooks in the order in which they are defined: this one comes before those that close the pages.
afterEach(async ({ task }) => {
  if (task.result?.state !== "fail") return;
  const pages = [...browsers].flatMap((browser) => browser.contexts()).flatMap((context) => context.pages());
  for (const told of await Promise.all(pages.map(tell))) console.error(told);
});

/** One page: its address, what is in it now, what happened last, and what it complained of. */
async function tell(page: Page): Promise<string> {
  const late = new Promise<string[]>((resolve) => setTimeout(resolve, PATIENCE, ["it does not answer"]));
  const state = page.evaluate(look).catch((error: unknown) => [String(error)]);
  const isProblem = (message: ConsoleMessage): boolean => /^(?:error|warning)$/.test(message.type());
  const said = await page.consoleMessages({ filter: "all" }).catch(() => []);
  const thrown = await page.pageErrors({ filter: "all" }).catch(() => []);
  const problems = [...said.filter(isProblem).map((message) => message.text()), ...thrown.map(String)].slice(-PROBLEMS);
  const lines = [...(await Promise.race([state, late])), ...problems.map((problem) => `console: ${problem.slice(0, 200)}`)];
  return [`page ${page.url()}`, ...lines].join("\n  ");
}

/** In the page, from its first script on: notes the last keys, clicks and changes of the focus. */
function record(kept: number): void {
  const name = (target: EventTarget | null | undefined): string => {
    if (!(target instanceof Element)) return target instanceof Document ? "the document" : "the window";
    const { value, labels } = target as HTMLInputElement;
    const label = target.getAttribute("aria-label") ?? labels?.[0]?.textContent ?? target.textContent ?? "";
    const text = label.replace(/\s+/g, " ").trim().slice(0, 50);
    const has = typeof value === "string" && value ? ` = ${JSON.stringify(value.slice(0, 80))}` : "";
    return `<${[target.localName, ...target.classList].join(".")}> "${text}"${has}`;
  };
  const events: string[] = [];
  for (const type of ["keydown", "pointerdown", "click", "focusin", "focusout"]) {
    const note = (event: Event): void => {
      const key = event instanceof KeyboardEvent ? ` ${event.key}` : "";
      events.push(`${Math.round(event.timeStamp)} ms ${type}${key} ${name(event.composedPath()[0])}`);
      if (events.length > kept) events.shift();
    };
    addEventListener(type, note, { capture: true, passive: true });
  }
  Object.assign(globalThis, { witness: { events, name } });
}

/** In the page: what has the focus, what is open, and what was noted. */
function look(): string[] {
  const { events, name } = (globalThis as unknown as { witness: { events: string[]; name: (element: Element | null) => string } }).witness;
  const roots = [document, ...[...document.querySelectorAll("*")].flatMap(({ shadowRoot }) => shadowRoot ?? [])];
  let active = document.activeElement;
  while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
  const open = roots.flatMap((root) => [...root.querySelectorAll("[role=dialog], [role=alertdialog], [role=menu], [role=listbox]")]);
  return [
    `now ${Math.round(performance.now())} ms, "${document.title}"${document.hasFocus() ? "" : ", without the focus of the window"}`,
    `focus: ${name(active)}`,
    ...open.map((element) => `open: ${element.getAttribute("role")} ${name(element)}`),
    ...events,
  ];
}
