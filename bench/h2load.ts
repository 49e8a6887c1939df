import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { firstLine, LOAD_CORE } from "./process.ts";

const run = promisify(execFile);

/** What is asked again and again. */
export interface Load {
  readonly port: number;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent by POST; without one it is GET. */
  readonly body?: Buffer;
  readonly isHttp1?: boolean;
  readonly connections: number;
  /** Requests in flight on each connection. */
  readonly inFlight: number;
}

/** What a closed loop did. */
export interface Loaded {
  readonly requests: number;
  readonly perSecond: number;
}

/** The version of h2load, or an error with the remedy. */
export async function h2loadVersion(): Promise<string> {
  return await firstLine("h2load", ["--version"], "install it (Debian: apt-get install nghttp2-client)");
}

/** Asks as fast as answers come, for some seconds. Throws when any answer is not 2xx. */
export async function loadClosed(load: Load, seconds: number): Promise<Loaded> {
  const { stdout } = await h2load(load, ["-D", `${Math.round(seconds * 1_000)}ms`]);
  const requests = requestsOf(stdout);
  const [, perSecond] = /finished in .*?, ([\d.]+) req\/s/.exec(stdout) ?? [];
  return { requests, perSecond: Number(perSecond) };
}

/** Asks at a steady rate, whatever comes back, and gives the time of each answer in microseconds, sorted. */
export async function loadOpen(load: Load, perSecond: number, seconds: number): Promise<readonly number[]> {
  const directory = await mkdtemp(join(tmpdir(), "central-hub-bench-"));
  try {
    const log = join(directory, "log");
    const rate = Math.max(1, Math.round(perSecond / load.connections));
    const { stdout } = await h2load(load, [
      "-D",
      `${Math.round(seconds * 1_000)}ms`,
      "--rps",
      `${rate}`,
      "--log-file",
      log,
    ]);
    requestsOf(stdout);
    // A line for each answer: when it began, its status, how long it took.
    const lines = (await readFile(log, "utf8")).trimEnd().split("\n");
    return lines.map((line) => Number(line.split("\t")[2])).sort((a, b) => a - b);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function h2load(load: Load, more: readonly string[]): Promise<{ readonly stdout: string }> {
  const directory = await mkdtemp(join(tmpdir(), "central-hub-bench-"));
  try {
    const args = ["-c", `${load.connections}`, "-m", `${load.inFlight}`, ...more];
    if (load.isHttp1) args.push("--h1");
    for (const [name, value] of Object.entries(load.headers)) args.push("-H", `${name}: ${value}`);
    if (load.body) {
      const body = join(directory, "body");
      await writeFile(body, load.body);
      args.push("-d", body);
    }
    args.push(`http://127.0.0.1:${load.port}${load.path}`);
    return await run("taskset", ["-c", LOAD_CORE, "h2load", ...args], { maxBuffer: 1 << 24 });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function requestsOf(printed: string): number {
  const [, done, succeeded, failed, errored, timedOut] =
    /(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(printed) ?? [];
  if (!Number(succeeded) || Number(failed) + Number(errored) + Number(timedOut) > 0) {
    throw new Error(`not every answer was good: ${printed}`);
  }
  return Number(done);
}
