import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import type { Instance, Rollout } from "../../config/rollout.ts";
import type { Position } from "../../config/snapshot.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { makeDirectory, syncDirectory } from "./durable-file.ts";

/** The file in the data directory that holds what instances made of what they were sent. */
export const ROLLOUT_FILE = "rollout.jsonl";

/** Least time between two writes, and the longest without one while instances are connected, in milliseconds. */
const INTERVAL_MS = 1_000;
const HEARTBEAT_MS = 600_000;
/** So many times as long as a write takes none follows it. */
const REST = 20;
/** The file's size at most, in bytes: those heard of last come first, the rest is left out. */
const FILE_MAX = 16 * 1024 * 1024;
/** Instances that are written as lines before calls have their turn again. */
const SLICE = 200;

/** What is kept, and where. */
export interface RolloutFileOptions {
  readonly directory: string;
  readonly rollout: Pick<Rollout, "recent" | "restore" | "onChange">;
  /** The newest revision: what another history left is of no use. */
  readonly history: Pick<Position, "epoch" | "revision">;
  readonly logger: Logger;
  readonly intervalMs?: number;
  readonly maxBytes?: number;
  readonly now?: () => number;
}

/** Ends the keeping with a last write. */
export interface RolloutFile {
  stop(): Promise<void>;
}

interface Head {
  readonly epoch: string;
  /** When it was written, in milliseconds since 1970. */
  readonly time: number;
}

/**
 * Gives a rollout back what the file holds, and keeps the file up to date from then on, a moment after each change. No
 * call waits for it, and its loss costs only that instances are told of anew once they report again.
 */
export async function keepRollout(options: RolloutFileOptions): Promise<RolloutFile> {
  const { directory, rollout, history, logger, intervalMs = INTERVAL_MS, now = Date.now } = options;
  const path = join(directory, ROLLOUT_FILE);
  await restore(path, rollout, history, logger);
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let isBehind = false;
  let isStopped = false;
  let isWell = true;

  const write = async (): Promise<void> => {
    isBehind = false;
    const began = performance.now();
    try {
      const head: Head = { epoch: history.epoch, time: now() };
      await replace(directory, path, await textOf(head, rollout.recent(), options.maxBytes ?? FILE_MAX));
      isWell = true;
    } catch (error) {
      if (isWell) logger.warn({ err: error, path }, "what instances reported cannot be kept over a restart");
      isWell = false;
    }
    timer = undefined;
    if (!isStopped && isBehind) schedule(Math.max(intervalMs, REST * (performance.now() - began)));
  };
  const schedule = (afterMs: number): void => {
    timer = setTimeout(() => {
      writing = write();
    }, afterMs).unref();
  };
  const onChange = (): void => {
    isBehind = true;
    if (timer === undefined && !isStopped) schedule(intervalMs);
  };
  const stopListening = rollout.onChange(onChange);
  // So that the file tells how long those that do not change have been seen.
  const heartbeat = setInterval(() => {
    if (rollout.recent().some(({ connections }) => connections > 0)) onChange();
  }, HEARTBEAT_MS).unref();
  return {
    stop: async () => {
      stopListening();
      clearInterval(heartbeat);
      isStopped = true;
      clearTimeout(timer);
      await writing;
      if (isBehind) await write();
    },
  };
}

async function restore(
  path: string,
  rollout: Pick<Rollout, "restore">,
  history: Pick<Position, "epoch" | "revision">,
  logger: Logger,
): Promise<void> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    const isNew = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!isNew)
      logger.warn({ err: error, path }, "what instances reported before the restart cannot be read");
    return;
  }
  const [first = "", ...lines] = text.split("\n");
  const head = parse(first);
  if (head?.epoch !== history.epoch || typeof head.time !== "number") return;
  const { time } = head;
  const instances = lines.flatMap((line) => toInstance(parse(line), time, history.revision) ?? []);
  // In the order of the last sign of life, as the rollout has them.
  rollout.restore(instances.reverse());
}

// Newest first, as much as may be; calls have their turn in between.
async function textOf(head: Head, instances: readonly Instance[], maxBytes: number): Promise<string> {
  const lines = [JSON.stringify(head)];
  let left = maxBytes;
  for (const [at, { connections, applied, rejected, ...instance }] of instances.entries()) {
    if (at % SLICE === SLICE - 1) await turn();
    const line = JSON.stringify({
      ...instance,
      connected: connections > 0,
      applied: applied && { ...applied, revision: String(applied.revision) },
      rejected: [...rejected],
    });
    left -= Buffer.byteLength(line) + 1;
    if (left < 0) break;
    lines.push(line);
  }
  return `${lines.join("\n")}\n`;
}

// At any moment there is a whole file: the one before or the one after.
async function replace(directory: string, path: string, text: string): Promise<void> {
  await makeDirectory(directory);
  await writeFile(`${path}.new`, text, { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
  await syncDirectory(directory);
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

// Undefined for a line that is none of ours.
function toInstance(
  line: Record<string, unknown> | undefined,
  written: number,
  newest: bigint,
): Instance | undefined {
  if (!line) return undefined;
  const { service, instance, follows, lastSeen, connected, applied, rejected } = line;
  if (typeof service !== "string" || typeof instance !== "string" || typeof lastSeen !== "number") return;
  if (!isRecord(follows) || typeof follows.version !== "string" || !isTexts(follows.systems)) return;
  if (!Array.isArray(rejected) || !rejected.every(isTexts)) return;
  const delivery = isRecord(applied) && /^\d+$/.test(String(applied.revision)) ? applied : undefined;
  const revision = BigInt(String(delivery?.revision ?? 0));
  return {
    service,
    instance,
    connections: 0,
    follows: { systems: follows.systems, version: follows.version },
    // A history that was put back in time has not got there yet.
    applied: delivery && revision <= newest ? { revision, nonce: String(delivery.nonce) } : undefined,
    rejected: new Map(rejected.map(([nonce = "", error = ""]) => [nonce, error])),
    // Who was connected was there for as long as the hub was.
    lastSeen: connected === true ? written : lastSeen,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
