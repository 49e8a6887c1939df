import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join, resolve } from "node:path";
import { listen, tell } from "../../config/log-listeners.ts";
import {
  encodeEntry,
  type LogStatus,
  nextEntry,
  pageOf,
  type RevisionDraft,
  type RevisionEntry,
  type RevisionLog,
  type RevisionSummary,
  revisionConflict,
  summaryOf,
} from "../../config/revision-log.ts";
import { HubError } from "../../errors.ts";
import { type DirectoryLock, lockDirectory } from "./directory-lock.ts";
import {
  DurableFile,
  type FileAccess,
  makeDirectory,
  messageOf,
  type OpenFile,
  syncDirectory,
} from "./durable-file.ts";
import { DamagedRevisionFile, type Place, readEntryAt, scanRevisionFile } from "./revision-file.ts";

/** The file in the data directory that holds the history, one entry a line. */
export const REVISIONS_FILE = "revisions.log";

/** Where the history lives, and what tests put in the place of the clock and of the file. */
export interface FileRevisionLogOptions {
  /** Made when it does not exist. */
  readonly directory: string;
  readonly now?: () => number;
  readonly openFile?: OpenFile;
}

/** What was cut off when the log was opened: an entry whose writing was cut short, and so never acknowledged. */
export interface Recovery {
  readonly bytes: number;
  /** The file that the bytes were copied to; empty when the disk had no room for it. */
  readonly copy: string;
}

/**
 * Opens the history in a directory, for this process alone. Throws DamagedRevisionFile when the file is not as it
 * was written, and says who holds the directory when somebody does.
 */
export async function openFileRevisionLog(options: FileRevisionLogOptions): Promise<FileRevisionLog> {
  const directory = resolve(options.directory);
  const now = options.now ?? Date.now;
  const path = join(directory, REVISIONS_FILE);
  await makeDirectory(directory);
  const lock = lockDirectory(directory);
  let access: FileAccess | undefined;
  try {
    access = await (options.openFile ?? open)(path, constants.O_RDWR | constants.O_CREAT, 0o600);
    const { places, head, end, torn, fault } = await scanRevisionFile(access, path);
    if (fault) throw new DamagedRevisionFile(fault);
    const file = new DurableFile(path, access, end);
    const bytes = torn.length;
    const recovered = bytes > 0 ? { bytes, copy: await file.moveTailAway(torn, now()) } : undefined;
    await syncDirectory(directory);
    return new FileRevisionLog({ access, file, lock, now, places: [...places], head, recovered });
  } catch (error) {
    await access?.close().catch(() => {});
    lock.release();
    throw error;
  }
}

/** An open log and what it knows of its file. */
interface Opened {
  readonly access: FileAccess;
  readonly file: DurableFile;
  readonly lock: DirectoryLock;
  readonly now: () => number;
  readonly places: Place[];
  readonly head: RevisionEntry | undefined;
  readonly recovered: Recovery | undefined;
}

/** The history in one file, which each entry has reached durably before anybody hears of it. */
export class FileRevisionLog implements RevisionLog {
  /** What opening cut off, for the hub's log; undefined when nothing was. */
  readonly recovered: Recovery | undefined;
  readonly #opened: Opened;
  readonly #entryListeners = new Set<(entry: RevisionEntry) => void>();
  readonly #statusListeners = new Set<(status: LogStatus) => void>();
  #head: RevisionEntry | undefined;
  #status: LogStatus;
  #closing: Promise<void> | undefined;
  /** The last of the appends, which run one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(opened: Opened) {
    this.#opened = opened;
    this.#head = opened.head;
    this.#status = { reachable: true, since: opened.now(), reason: "" };
    this.recovered = opened.recovered;
  }

  get head(): RevisionEntry | undefined {
    return this.#head;
  }

  get status(): LogStatus {
    return this.#status;
  }

  append(draft: RevisionDraft, expected: bigint): Promise<RevisionEntry> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    // As it is now: what its owner does to it while it waits is not to be part of it.
    const taken = { ...draft, documents: new Map(draft.documents) };
    const appended = this.#queue.then(() => this.#append(taken, expected));
    this.#queue = appended.catch(() => {});
    return appended;
  }

  async get(revision: bigint): Promise<RevisionEntry | undefined> {
    if (this.#closing !== undefined) throw closed();
    if (revision === this.#head?.revision) return this.#head;
    const place = revision > 0n ? this.#opened.places[Number(revision) - 1] : undefined;
    if (!place) return undefined;
    try {
      return await readEntryAt(this.#opened.access, place);
    } catch (cause) {
      throw unavailable(`revision ${revision} cannot be read`, cause);
    }
  }

  async list(after: bigint, max: number): Promise<readonly RevisionSummary[]> {
    if (this.#closing !== undefined) throw closed();
    return pageOf(this.#opened.places, after, max).map(({ summary }) => summary);
  }

  onEntry(listener: (entry: RevisionEntry) => void): () => void {
    return listen(this.#entryListeners, listener);
  }

  onStatus(listener: (status: LogStatus) => void): () => void {
    return listen(this.#statusListeners, listener);
  }

  /** Waits for the appends that were asked for before it. */
  close(): Promise<void> {
    this.#closing ??= this.#queue.then(async () => {
      try {
        await this.#opened.access.close();
      } finally {
        this.#opened.lock.release();
      }
    });
    return this.#closing;
  }

  async #append(draft: RevisionDraft, expected: bigint): Promise<RevisionEntry> {
    const newest = this.#head?.revision ?? 0n;
    if (expected !== newest) throw revisionConflict(expected, newest);
    const entry = nextEntry(draft, this.#head, randomUUID(), this.#opened.now());
    const line = Buffer.from(`${encodeEntry(entry)}\n`, "utf8");
    const { file, places } = this.#opened;
    const place = { offset: file.end, length: line.length - 1, summary: summaryOf(entry) };
    try {
      await file.append(line);
    } catch (cause) {
      throw unavailable(`revision ${entry.revision} cannot be written`, cause);
    } finally {
      this.#setStatus(file.trouble);
    }
    places.push(place);
    this.#head = entry;
    tell(this.#entryListeners, entry);
    return entry;
  }

  #setStatus(reason: string): void {
    if (this.#status.reason === reason) return;
    const reachable = reason === "";
    const since = reachable === this.#status.reachable ? this.#status.since : this.#opened.now();
    this.#status = { reachable, since, reason };
    tell(this.#statusListeners, this.#status);
  }
}

function closed(): HubError {
  return new HubError("LOG_UNAVAILABLE", "the history of the configuration is closed; try again later");
}

function unavailable(what: string, cause: unknown): HubError {
  const why = messageOf(cause);
  const message = `the history of the configuration: ${what}: ${why}; try again later`;
  return new HubError("LOG_UNAVAILABLE", message, { metadata: { why }, cause });
}
