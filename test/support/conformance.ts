import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { onTestFinished } from "vitest";
import { ToolMissing } from "./fetched.ts";

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, "../..");
const BUF = join(ROOT, "node_modules/.bin/buf");

/**
 * Writes the descriptors of the suite's .proto files to a file, in the version that the runner has. They come from
 * where Go keeps the suite's module.
 */
export async function writeConformanceDescriptors(runner: string, go: string, file: string): Promise<void> {
  const { stdout: named } = await run(runner, ["--version"]);
  const module = `connectrpc.com/conformance@${named.trim().split(" ").at(-1)}`;
  const { stdout } = await run(go, ["mod", "download", "-json", module], {
    cwd: ROOT,
    env: { ...process.env, GOWORK: "off" },
    timeout: 300_000,
  }).catch((error: unknown) => {
    throw new ToolMissing(`${module} could not be fetched, which holds the suite's .proto files`, {
      cause: error,
    });
  });
  const { Dir: directory } = JSON.parse(stdout) as { Dir: string };
  await run(BUF, ["build", join(directory, "proto"), "-o", file], { timeout: 60_000 });
}

/** What the runner has said. */
export interface ConformanceReport {
  readonly total: number;
  readonly passed: number;
  readonly failed: number;
  /** What it printed of the cases that did not pass, and all else that is no mere progress. */
  readonly text: string;
}

/** Runs the suite against a server, which the runner starts once for each of its configurations. */
export async function runConformance(
  runner: string,
  config: string,
  server: readonly string[],
  timeoutMs: number,
): Promise<ConformanceReport> {
  // Fewer servers and calls at a time than the runner would start by itself: it spends its time comparing large
  // messages, and calls that wait for their turn meanwhile would be too late for it.
  const flags = ["--mode", "server", "--conf", config, "--max-servers", "2", "-p", "8"];
  const child = spawn(runner, [...flags, "--", ...server], {
    cwd: ROOT,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const killAll = () => {
    // The runner's servers are in its group. After a run that has ended, there is no one left in it.
    if (child.pid !== undefined) tryTo(() => process.kill(-(child.pid ?? 0), "SIGKILL"));
  };
  onTestFinished(killAll);
  const timer = setTimeout(killAll, timeoutMs);
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (chunk: string) => {
      text += chunk;
    });
  }
  await new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve());
  });
  clearTimeout(timer);
  const [, total = Number.NaN] = /Total cases: (\d+)/.exec(text) ?? [];
  const [, passed = Number.NaN, failed = Number.NaN] = /(\d+) passed, (\d+) failed/.exec(text) ?? [];
  return { total: Number(total), passed: Number(passed), failed: Number(failed), text };
}

function tryTo(action: () => void): void {
  try {
    action();
  } catch {
    // Nothing was left to do.
  }
}
