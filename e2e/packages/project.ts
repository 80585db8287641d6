/** A fresh project of an application that installs the packed packages. */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { ROOT } from "../harness/paths.js";
import { until } from "../harness/wait.js";

const TEMPLATES = join(ROOT, "packages/react/test/consumers");
const TARBALLS = join(ROOT, "target/npm");
const run = promisify(execFile);

/** Nothing of the repository's own environment, and no questions or reports to anybody. */
const ENVIRONMENT = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", CI: "1", NODE_ENV: undefined, FORCE_COLOR: undefined };

/** A project in a folder of its own. */
export class Project {
  readonly #running: ChildProcess[] = [];

  private constructor(readonly folder: string) {}

  /** Copies a template, and installs its dependencies, React, and what is to be published. */
  static async install(template: string, react: string): Promise<Project> {
    const folder = mkdtempSync(join(tmpdir(), `cossistant-${template}-`));
    for (const part of ["shared", template]) cpSync(join(TEMPLATES, part), folder, { recursive: true });
    const file = join(folder, "package.json");
    const manifest = JSON.parse(readFileSync(file, "utf8")) as { dependencies: Record<string, string> };
    const packed = ["protocol", "client", "react"].map((name) => [`@cossistant/${name}`, `file:${join(TARBALLS, name)}.tgz`]);
    Object.assign(manifest.dependencies, { react, "react-dom": react }, Object.fromEntries(packed));
    writeFileSync(file, JSON.stringify(manifest, null, 2));
    const project = new Project(folder);
    await project.run("npm", "install", "--no-audit", "--no-fund", "--prefer-offline");
    return project;
  }

  /** Runs a command to its end; gives all that it printed. A failure says it too. */
  async run(program: string, ...options: string[]): Promise<string> {
    try {
      const { stdout, stderr } = await run(program, options, { cwd: this.folder, env: ENVIRONMENT, maxBuffer: 1 << 26 });
      return stdout + stderr;
    } catch (error) {
      const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
      throw new Error(`${program} ${options.join(" ")} failed:\n${stdout}\n${stderr}`, { cause: error });
    }
  }

  /** Starts a script that serves, and gives its address and what it prints. */
  async serve(script: string): Promise<{ url: string; output: () => string }> {
    // In a group of its own, since npm does not end what it started.
    const child = spawn("npm", ["run", "--silent", script], { cwd: this.folder, env: ENVIRONMENT, detached: true });
    this.#running.push(child);
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (text += chunk.toString()));
    const url = await until(
      `${script} serves`,
      () => {
        if (child.exitCode !== null) throw new Error(`${script} ended: ${text}`);
        // eslint-disable-next-line no-control-regex
        return /http:\/\/127\.0\.0\.1:\d+/.exec(text.replace(/\u001b\[\d+m/g, ""))?.[0];
      },
      { patience: 60_000, describe: () => text },
    );
    return { url, output: () => text };
  }

  /** Ends what runs and removes the folder. */
  async remove(): Promise<void> {
    for (const child of this.#running) {
      if (child.pid === undefined || child.exitCode !== null) continue;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      process.kill(-child.pid, "SIGKILL");
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
