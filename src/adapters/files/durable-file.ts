import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname } from "node:path";

/** What a durable file and its readers need of a file handle. */
export interface FileAccess {
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  write(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>;
  truncate(length: number): Promise<void>;
  datasync(): Promise<void>;
  stat(): Promise<{ dev: number; ino: number; size: number }>;
  close(): Promise<void>;
}

/** Opens a file, as `open` of node:fs/promises does; tests put failing disks in its place. */
export type OpenFile = (path: string, flags: number, mode: number) => Promise<FileAccess>;

/** A file that grows at its end only, where what has been appended is durable, and what has not leaves no trace. */
export class DurableFile {
  readonly #path: string;
  readonly #file: FileAccess;
  #end: number;
  /** Whether a write has failed whose bytes may still stand behind the end. */
  #isSuspect = false;
  #trouble = "";

  /** `end` is where the content ends that the caller knows. */
  constructor(path: string, file: FileAccess, end: number) {
    this.#path = path;
    this.#file = file;
    this.#end = end;
  }

  /** Where the next bytes will stand. */
  get end(): number {
    return this.#end;
  }

  /** Why nothing can be appended, as of the last try; empty when something could be, room on the disk given. */
  get trouble(): string {
    return this.#trouble;
  }

  /** Appends the bytes durably. When it throws, they are not in the file, or will be gone before the next append. */
  async append(bytes: Buffer): Promise<void> {
    this.#trouble = await this.#findTrouble();
    if (this.#trouble !== "") throw new Error(this.#trouble);
    try {
      // A disk that gets full takes a part of the bytes without an error, which comes with the next write.
      for (let written = 0; written < bytes.length; ) {
        const left = bytes.length - written;
        written += (await this.#file.write(bytes, written, left, this.#end + written)).bytesWritten;
      }
      await this.#file.datasync();
    } catch (error) {
      this.#isSuspect = true;
      this.#trouble = await this.#cutOff();
      throw error;
    }
    this.#end += bytes.length;
  }

  /**
   * Cuts off what stands behind the end, after copying it to a file beside this one. Returns the path of the copy;
   * empty when the disk had no room for it.
   */
  async moveTailAway(tail: Buffer, time: number): Promise<string> {
    const copy = `${this.#path}.torn-${time}-${randomUUID().slice(0, 8)}`;
    let isCopied = true;
    try {
      await writeFile(copy, tail, { flag: "wx", mode: 0o600, flush: true });
    } catch (error) {
      await rm(copy, { force: true });
      // A full disk may be why there is such a tail; the copy is not worth a hub that cannot start.
      if (!isDiskFull(error)) throw error;
      isCopied = false;
    }
    const trouble = await this.#cutOff();
    if (trouble !== "") throw new Error(trouble);
    return isCopied ? copy : "";
  }

  // What is written to a file that has lost its name, or that somebody else writes to, would not last.
  async #findTrouble(): Promise<string> {
    const name = basename(this.#path);
    try {
      const ours = await this.#file.stat();
      const named = await stat(this.#path).catch(() => undefined);
      if (named?.ino !== ours.ino || named.dev !== ours.dev) {
        return `${name} was moved away under the running hub; move it back, or restart the hub`;
      }
      if (this.#isSuspect) return await this.#cutOff();
      if (ours.size === this.#end) return "";
      return `${name} was changed by somebody else; restart the hub, which then checks it`;
    } catch (error) {
      return `${name} cannot be looked at: ${messageOf(error)}`;
    }
  }

  async #cutOff(): Promise<string> {
    try {
      await this.#file.truncate(this.#end);
      await this.#file.datasync();
    } catch (error) {
      return `what a failed write left in ${basename(this.#path)} cannot be cut off: ${messageOf(error)}`;
    }
    this.#isSuspect = false;
    return "";
  }
}

/** Makes a directory, and those above it, so that they stay. */
export async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true });
  if (first === undefined) return;
  for (let made = directory; made.length >= first.length; made = dirname(made)) {
    await syncDirectory(dirname(made));
  }
}

/** Makes the names in a directory durable: that of a new file is not before. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** What an error says of itself. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^(ENOSPC|EDQUOT)$/.test(String(error.code));
}
