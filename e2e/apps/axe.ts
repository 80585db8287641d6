/** What axe-core finds wrong with a page. */

import { readFileSync } from "node:fs";
import { join } from "node:path";

import type { Page } from "playwright-core";

import { ROOT } from "../harness/paths.js";

const AXE = readFileSync(join(ROOT, "node_modules/axe-core/axe.min.js"), "utf8");

/** What of axe's answer is told. */
interface Found {
  violations: { id: string; nodes: { target: unknown; html: string; failureSummary?: string }[] }[];
}

/** The violations of WCAG 2.2 A and AA, and of axe's best practices, in the page as it is once nothing moves any more. */
export async function violations(page: Page): Promise<string[]> {
  // Its functions are added by the debugger, whom the page's policy does not bind; what it finds is of the page.
  await page.evaluate(`${AXE};undefined`);
  return page.evaluate(async () => {
    const shadows = [...document.querySelectorAll("*")].map(({ shadowRoot }) => shadowRoot).filter((root) => root !== null);
    const animations = () => [document, ...shadows].flatMap((root) => root.getAnimations());
    const moving = () => animations().filter(({ effect, playState }) => playState !== "finished" && effect?.getTiming().iterations !== Infinity);
    // Half-faded things have no contrast. One that is taken away never finishes, and fails. Others may begin meanwhile.
    for (let finite = moving(); finite.length > 0; finite = moving()) {
      await Promise.all(finite.map((animation) => animation.finished.catch(() => undefined)));
    }
    const { axe } = globalThis as unknown as { axe: { run(context: unknown, options: unknown): Promise<Found> } };
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, html, failureSummary }) => `${id}: ${JSON.stringify(target)} ${html.slice(0, 200)} ${failureSummary ?? ""}`),
    );
  });
}
