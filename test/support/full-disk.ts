import { execFile } from "node:child_process";
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A directory whose disk can be filled up, for the processes that are named. */
export interface FullDisk {
  readonly directory: string;
  /** From now on files cannot grow. `pids`: of those who use it; a process that they start later is meant too. */
  fill(pids: readonly number[]): Promise<void>;
  /** There is room again. */
  free(pids: readonly number[]): Promise<void>;
  remove(): Promise<void>;
}

/** A way to have one. */
export interface FullDiskWay {
  readonly name: string;
  open(): Promise<FullDisk>;
}

/** Above the size of a segment of PostgreSQL's log, which is made at once and written to later. */
const FILE_MAX_BYTES = 17 * 1024 * 1024;
const DISK_MB = 160;
const LEFT_BYTES = 2 * 1024 * 1024;

/**
 * The ways that this machine has: files that may not grow beyond a size (EFBIG), which every Linux has, and a small disk of
 * its own (ENOSPC), where one may be mounted.
 */
export async function fullDiskWays(): Promise<readonly FullDiskWay[]> {
  const limited: FullDiskWay = { name: "files that may not grow", open: limitedFiles };
  const small: FullDiskWay = { name: "a small disk", open: smallDisk };
  const canMount = await smallDisk().then(
    (disk) => disk.remove().then(() => true),
    () => false,
  );
  return canMount ? [limited, small] : [limited];
}

async function limitedFiles(): Promise<FullDisk> {
  const directory = await mkdtemp(join(tmpdir(), "central-hub-full-"));
  // PostgreSQL runs as another user.
  await chmod(directory, 0o777);
  const limit = async (pids: readonly number[], bytes: string): Promise<void> => {
    for (const pid of await withChildren(pids)) {
      // As the user of that process: another's may be out of reach, even for root in a container.
      const { uid, gid } = await stat(`/proc/${pid}`);
      // The soft limit only, so that it can be raised again.
      await run(
        "prlimit",
        ["--pid", `${pid}`, `--fsize=${bytes}:`],
        process.getuid?.() === 0 ? { uid, gid } : {},
      );
    }
  };
  return {
    directory,
    fill: (pids) => limit(pids, `${FILE_MAX_BYTES}`),
    free: (pids) => limit(pids, "unlimited"),
    remove: () => rm(directory, { recursive: true, force: true, maxRetries: 3 }),
  };
}

async function smallDisk(): Promise<FullDisk> {
  const directory = await mkdtemp(join(tmpdir(), "central-hub-full-"));
  try {
    await run("mount", ["-t", "tmpfs", "-o", `size=${DISK_MB}m,mode=1777`, "central-hub-full", directory]);
  } catch (error) {
    await rm(directory, { recursive: true });
    throw error;
  }
  const ballast = join(directory, "ballast");
  const grow = async (bytes: number): Promise<boolean> =>
    await writeFile(ballast, Buffer.alloc(bytes), { flag: "a" }).then(
      () => true,
      () => false,
    );
  return {
    directory,
    fill: async () => {
      for (let size = LEFT_BYTES; size > 4_000; size >>= 1) while (await grow(size));
    },
    free: () => rm(ballast, { force: true }),
    remove: async () => {
      // Whoever has been killed may hold a file for a moment longer.
      await run("umount", ["-l", directory]);
      await rm(directory, { recursive: true });
    },
  };
}

async function withChildren(pids: readonly number[]): Promise<number[]> {
  const children = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "")),
  );
  return [...pids, ...children.flatMap((text) => text.split(" ").filter(Boolean).map(Number))];
}
