// What tests fetch goes into .tools/ (not committed), each under its name and version, once for all workers and runs.
import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export const TOOLS = join(import.meta.dirname, "../../.tools");
export const FETCH_TIMEOUT_MS = 600_000;

/** A tool is neither here nor to be had; the message names the remedy. */
export class ToolMissing extends Error {
  override readonly name = "ToolMissing";
}

/**
 * The directory of that name in .tools/, filled by `fill` when it is not there yet. It appears under its name only when
 * it is complete, so that a torn download is never taken for a tool. A failure is ToolMissing with `failure` before the
 * reason.
 */
export async function fetched(
  name: string,
  failure: string,
  fill: (target: string) => Promise<void>,
): Promise<string> {
  const directory = join(TOOLS, name);
  await mkdir(TOOLS, { recursive: true });
  const release = await lock(`${directory}.lock`, () => exists(directory));
  try {
    if (await exists(directory)) return directory;
    const target = await mkdtemp(join(TOOLS, `${name}.part-`));
    try {
      await twice(() => fill(target));
      // A server that refuses to run as root runs as another user.
      await chmod(target, 0o755);
      // Should two have taken over one dead worker's lock, the first to be ready wins.
      await rename(target, directory).catch(async (error: unknown) => {
        if (!(await exists(directory))) throw error;
      });
    } finally {
      await rm(target, { recursive: true, force: true });
    }
    return directory;
  } catch (error) {
    if (error instanceof ToolMissing) throw error;
    throw new ToolMissing(`${failure}\n${reasonOf(error)}`, { cause: error });
  } finally {
    await release();
  }
}

/** One retry: the network may have a bad moment. */
export async function twice(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (error instanceof ToolMissing) throw error;
    await sleep(2_000);
    await work();
  }
}

/** The end of what a command said when it failed. */
export function reasonOf(error: unknown): string {
  const stderr =
    typeof error === "object" && error !== null && "stderr" in error ? String(error.stderr).trim() : "";
  return (stderr || String(error)).split("\n").slice(-5).join("\n");
}

// Spares a second worker the same download. A lock whose process has died is taken over.
async function lock(path: string, done: () => Promise<boolean>): Promise<() => Promise<void>> {
  for (;;) {
    if (await done()) return async () => {};
    try {
      await writeFile(path, String(process.pid), { flag: "wx" });
      return () => rm(path, { force: true });
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    }
    if (!(await isHeld(path))) await rm(path, { force: true });
    await sleep(200);
  }
}

async function isHeld(path: string): Promise<boolean> {
  try {
    const { mtimeMs } = await stat(path);
    const holder = Number(await readFile(path, "utf8"));
    // A lock without a number is one that is being written now.
    if (!holder) return Date.now() - mtimeMs < 5_000;
    process.kill(holder, 0);
    return Date.now() - mtimeMs < 3 * FETCH_TIMEOUT_MS;
  } catch {
    return false;
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
