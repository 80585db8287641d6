/**
 * Behaviour 20: the scenarios of `crates/client-wasm/scenarios` give on both builds the traces that they give
 * on the native engine, byte for byte.
 *
 * `COSSISTANT_SCENARIOS` may name a file with further ones, one a line; `cargo xtask check` makes it.
 */

import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { EngineConfig, EngineFactory, EngineInput } from "../../src/engine/types.js";

interface Scenario {
  about: string;
  seed: number;
  /** `Infinity`, which JSON lacks, is null. */
  config: EngineConfig & { maxReconnectAttempts: number | null };
  steps: { at: number; input: EngineInput; outputs: unknown }[];
  stats: unknown;
}

/** JSON with its keys in the order of the alphabet. */
function sorted(value: unknown): string {
  return JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === "object" && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** In a scenario a configuration has null where it means `Infinity`. */
function toConfig(config: Scenario["config"]): EngineConfig {
  return { ...config, maxReconnectAttempts: config.maxReconnectAttempts ?? Infinity };
}

/** The lines of the scenario's file behind its head. */
function play(factory: EngineFactory, scenario: Scenario): string[] {
  const engine = factory.create(toConfig(scenario.config), scenario.seed);
  const lines = scenario.steps.map(({ at, input }) => {
    const handed = input.type === "configure" ? { ...input, config: toConfig(input.config as Scenario["config"]) } : input;
    const outputs = engine.handle(handed, at);
    return sorted({ at, input, outputs, queued: engine.queuedMessageCount, timeout: engine.pollTimeout() ?? null });
  });
  lines.push(sorted(engine.stats));
  engine.free();
  return lines;
}

const folder = new URL("../../../../crates/client-wasm/scenarios/", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
const more = process.env["COSSISTANT_SCENARIOS"];
const fresh = more === undefined ? [] : readFileSync(more, "utf8").split("\n");

describe.each(["wasm", "js"] as const)("the build %s", (variant) => {
  let loadEngine: () => Promise<EngineFactory>;

  beforeAll(async () => {
    vi.resetModules();
    const engine = await import("../../src/engine/index.js");
    engine.configureEngine(variant === "js" ? { variant } : {});
    ({ loadEngine } = engine);
    expect((await loadEngine()).variant).toBe(variant);
  });

  it.each(files)("plays %s like the native engine", async (name) => {
    const text = readFileSync(fileURLToPath(new URL(name, folder)), "utf8");
    const scenario = JSON.parse(text) as Scenario;
    // The form of a file: a head of five lines, one step a line, and the stats.
    const lines = text.split("\n");
    const expected = lines.slice(5, 5 + scenario.steps.length).map((line) => line.replace(/,$/, ""));
    expect(expected.length).toBeGreaterThan(0);
    expected.push((lines.at(-3) ?? "").replace('"stats":', ""));
    expect(play(await loadEngine(), scenario)).toEqual(expected);
  });

  it.runIf(fresh.length > 0)("plays random scenarios like the native engine", async () => {
    for (const line of fresh) {
      const scenario = JSON.parse(line) as Scenario;
      const played = play(await loadEngine(), scenario).join("\n");
      const expected = [...scenario.steps.map(sorted), sorted(scenario.stats)].join("\n");
      if (played !== expected) throw new Error(`another trace than the native engine's: ${scenario.about}`);
    }
  }, 60_000);
});
