import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { TOOLS } from "../test/support/fetched.ts";
import { goModules, goToolchain } from "../test/support/toolchains.ts";
import { LOAD_CORE } from "./process.ts";

const SOURCE = join(import.meta.dirname, "herd");
const BUILD_MS = 300_000;

/** A call as the herd makes it. */
export interface HerdRequest {
  readonly path: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** Watchers to open. */
export interface Opening {
  readonly port: number;
  readonly connections: number;
  /** On each connection. */
  readonly streams: number;
  readonly request: HerdRequest;
  /** Whether NATS is spoken instead of gRPC; paths are subjects then. */
  readonly isNats?: boolean;
  /** Whether the client's side stays open, as that of a bidirectional call does. */
  readonly keepsOpen: boolean;
  /** Messages that each stream has at its start. */
  readonly firstMessages: number;
}

/** How long a change took, in microseconds; from its acknowledgement where nothing else is said. */
export interface Told {
  readonly watchers: number;
  /** From the call to its answer. */
  readonly acknowledgedUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly lastUs: number;
  /** From the call to the last message. */
  readonly sentToLastUs: number;
}

/** Watchers that are open. */
export interface Herd {
  /** Makes a change, and waits until every watcher has a message with the marker. */
  tell(request: HerdRequest, marker: Buffer): Promise<Told>;
  stop(): Promise<void>;
}

/** Builds the program that holds the watchers. */
export async function buildHerd(): Promise<string> {
  await goModules(SOURCE);
  const program = join(TOOLS, "bench-herd");
  await mkdir(TOOLS, { recursive: true });
  const env = { ...process.env, GOWORK: "off" };
  const args = ["build", "-mod=readonly", "-buildvcs=false", "-o", program, "."];
  await promisify(execFile)(await goToolchain(), args, { cwd: SOURCE, env, timeout: BUILD_MS });
  return program;
}

/** Opens watchers, and waits until each has its first messages. */
export async function openHerd(program: string, opening: Opening): Promise<Herd> {
  const child = spawn("taskset", ["-c", LOAD_CORE, program], { stdio: ["pipe", "pipe", "inherit"] });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "close");
    child.kill("SIGKILL");
    await ended;
  };
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("close", () => process.off("exit", kill));
  child.stdin.on("error", () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const say = async (value: unknown): Promise<unknown> => {
    child.stdin.write(`${JSON.stringify(value)}\n`);
    const line = await lines.next();
    if (line.done) throw new Error("the herd has ended");
    return JSON.parse(line.value);
  };
  const { port, request, ...rest } = opening;
  try {
    await say({ address: `127.0.0.1:${port}`, request: inJson(request), ...rest });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    tell: async (change, marker) =>
      (await say({ request: inJson(change), marker: marker.toString("base64") })) as Told,
    stop,
  };
}

function inJson({ path, body, headers }: HerdRequest) {
  return { path, body: body.toString("base64"), headers: Object.entries(headers) };
}
