/**
 * `widget.js`: what the script tag loads. It does nothing but note what the page asks for, and load the widget once the
 * page itself is there: a classic script, so that it knows its own tag.
 */

import type { Api, Start } from "./start.js";

/** The file of `start.ts`, beside this one; put in by the build. */
declare const START: string;

declare global {
  interface Window {
    /** The widget of the page. */
    Cossistant?: Api | undefined;
  }
}

/** At the latest so long after the page is loaded, in ms. */
const LATEST = 1_500;

/** The tag. One that was made a module does not know itself. */
function ownTag(): HTMLScriptElement | null {
  const { currentScript } = document;
  if (currentScript instanceof HTMLScriptElement) return currentScript;
  return document.querySelector('script[src*="widget.js"][data-public-key], script[src*="/widget.js"]');
}

function begin(): void {
  const tag = ownTag();
  if (!tag) return console.error("[cossistant] no_script_tag: the tag of widget.js cannot be found");
  if (window.Cossistant) return console.warn("[cossistant] already_loaded: the page has widget.js twice; the first one stays");
  const source = new URL(tag.src, location.href);

  let started: ReturnType<Start> | undefined;
  let isAsked = false;
  const { promise, resolve } = deferred<ReturnType<Start>>();
  const start = () => {
    if (isAsked) return;
    isAsked = true;
    import(new URL(START, source).href).then(
      ({ start }: { start: Start }) => {
        started = start({ ...tag.dataset }, source);
        resolve(started);
      },
      (error: unknown) => {
        isAsked = false;
        console.error("[cossistant] load_failed: the widget could not be loaded", error);
      },
    );
  };
  /** Calls the widget, once there is one. Whoever calls does not want to wait until the page is idle. */
  const call =
    <Name extends keyof Api>(name: Name) =>
    (...given: unknown[]) => {
      start();
      // Where the tag is wrong there is no widget, which has been said.
      const run = (api: Api | undefined) => (api?.[name] as ((...all: unknown[]) => unknown) | undefined)?.(...given);
      return started ? run(started) : promise.then(run);
    };
  const names = ["open", "close", "toggle", "identify", "reset", "update", "on", "destroy"] as const;
  // Each does what the widget's function of that name does.
  window.Cossistant = Object.fromEntries(names.map((name) => [name, call(name)])) as unknown as Api;

  const whenIdle = () => {
    if (typeof requestIdleCallback === "function") requestIdleCallback(start, { timeout: LATEST });
    else setTimeout(start, 200);
  };
  if (document.readyState === "complete") whenIdle();
  else addEventListener("load", whenIdle, { once: true });
}

function deferred<Value>() {
  let resolve: (value: Value) => void = () => {};
  const promise = new Promise<Value>((settle) => (resolve = settle));
  return { promise, resolve };
}

begin();
