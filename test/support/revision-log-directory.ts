import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import {
  type FileRevisionLog,
  type FileRevisionLogOptions,
  openFileRevisionLog,
  REVISIONS_FILE,
} from "../../src/adapters/files/revision-log.ts";
import { appended } from "./revision-log-contract.ts";

/** A directory that ends with the test. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "revisions-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Opens the log in a directory; it is closed when the test ends. */
export async function opened(
  directory: string,
  options: Partial<FileRevisionLogOptions> = {},
): Promise<FileRevisionLog> {
  const log = await openFileRevisionLog({ directory, ...options });
  onTestFinished(() => log.close());
  return log;
}

/** The bytes of a closed log with that many small entries. */
export async function sampleFile(entries: number): Promise<Buffer> {
  const directory = await temporaryDirectory();
  const log = await opened(directory);
  await appended(log, entries);
  await log.close();
  return readFile(join(directory, REVISIONS_FILE));
}

/** Puts bytes in the place of a directory's log, and gives its path. */
export async function written(directory: string, bytes: Uint8Array): Promise<string> {
  const path = join(directory, REVISIONS_FILE);
  await writeFile(path, bytes);
  return path;
}
