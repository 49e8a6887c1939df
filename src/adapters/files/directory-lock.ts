import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/** Held until it is released, or until its process is gone, however that ended. */
export interface DirectoryLock {
  release(): void;
}

/** How long a second starter waits, so that of several that start at once one gets the lock. */
const PATIENCE_MS = 250;
const SQLITE_BUSY = 5;

/**
 * Takes a directory for this caller alone; throws when somebody has it, also somebody in this process.
 *
 * The lock is the kernel's own on the file <name>.lock, which ends with its process and so is never stale.
 * Node can ask for one only through SQLite, whose empty database that file is. Who holds the lock stands in
 * <name>.holder, for the message alone. Neither file may be removed while a hub runs.
 */
export function lockDirectory(directory: string, name = "revisions"): DirectoryLock {
  const holder = join(directory, `${name}.holder`);
  const database = openLock(join(directory, `${name}.lock`));
  try {
    // The journal is kept in memory so that no second file comes into being.
    database.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw notLocked(directory, error);
    throw new Error(
      `${directory} is in use by ${heldBy(holder)}; stop that hub, or give this one a directory of its own`,
    );
  }
  tellHolder(holder);
  return {
    release() {
      if (!database.isOpen) return;
      rmSync(holder, { force: true });
      database.close();
    },
  };
}

function openLock(file: string): DatabaseSync {
  try {
    return new DatabaseSync(file, { timeout: PATIENCE_MS });
  } catch (error) {
    throw notLocked(file, error);
  }
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && Number(error.errcode) % 256 === SQLITE_BUSY;
}

function notLocked(path: string, cause: unknown): Error {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new Error(`${path} cannot be locked: ${why}; see that the hub may write there`, { cause });
}

function heldBy(holder: string): string {
  try {
    return readFileSync(holder, "utf8").trim() || "another process";
  } catch {
    return "another process";
  }
}

// Without it the lock holds as well, so a full disk is no reason to stop here.
function tellHolder(holder: string): void {
  try {
    writeFileSync(holder, `process ${process.pid} on ${hostname()}\n`, { mode: 0o644 });
  } catch {
    rmSync(holder, { force: true });
  }
}
