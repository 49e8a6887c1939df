import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";

const root = join(import.meta.dirname, "../..");

/** A command of the hub in a process of its own. */
export interface Running {
  readonly process: ChildProcess;
  /** What it has printed so far. */
  readonly out: () => string;
  readonly err: () => string;
  /** Waits until standard output matches, and gives the match. */
  waitFor(pattern: RegExp): Promise<RegExpMatchArray>;
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>;
}

/** Starts a command from the sources, or from another entry file; it is killed when the test ends. */
export function startProcess(
  args: readonly string[],
  env: Record<string, string> = {},
  entry = "src/main.ts",
): Running {
  const dataDir = mkdtempSync(join(tmpdir(), "central-hub-data-"));
  const child = spawn(process.execPath, [join(root, entry), ...args], {
    cwd: root,
    env: { PATH: process.env.PATH ?? "", HUB_DATA_DIR: dataDir, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.on("data", (data) => (out += data));
  child.stderr.on("data", (data) => (err += data));
  const exited = new Promise<number | NodeJS.Signals>((resolve) =>
    child.once("close", (code, signal) => resolve(code ?? signal ?? 1)),
  );
  onTestFinished(() => {
    child.kill("SIGKILL");
    rmSync(dataDir, { recursive: true, force: true });
  });
  const waitFor = async (pattern: RegExp): Promise<RegExpMatchArray> => {
    for (const until = Date.now() + 60_000; Date.now() < until; await new Promise((r) => setTimeout(r, 20))) {
      const match = pattern.exec(out);
      if (match) return match;
      if (child.exitCode !== null) break;
    }
    throw new Error(`${pattern} was not printed; out: ${out}; err: ${err}`);
  };
  return { process: child, out: () => out, err: () => err, waitFor, exited };
}
