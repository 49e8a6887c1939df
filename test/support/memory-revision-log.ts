import { randomUUID } from "node:crypto";
import {
  decodeEntry,
  encodeEntry,
  type LogStatus,
  nextEntry,
  type RevisionDraft,
  type RevisionEntry,
  type RevisionLog,
  type RevisionSummary,
  revisionConflict,
  summaryOf,
} from "../../src/config/revision-log.ts";
import { HubError } from "../../src/errors.ts";

/** A history in memory, which any number of logs share, as hubs share a stream. */
export class MemoryRevisions {
  readonly #lines: string[] = [];
  readonly #logs = new Set<MemoryRevisionLog>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  get newest(): bigint {
    return BigInt(this.#lines.length);
  }

  /** A log on this history, as one more hub has it. */
  open(): MemoryRevisionLog {
    const log = new MemoryRevisionLog(this, this.#now, () => this.#logs.delete(log));
    this.#logs.add(log);
    return log;
  }

  list(after: bigint, max: number, newest: bigint): RevisionSummary[] {
    const last = after + BigInt(max) < newest ? after + BigInt(max) : newest;
    const lines = this.#lines.slice(Number(after < newest ? after : newest), Number(last));
    return lines.map((line) => summaryOf(decodeEntry(line)));
  }

  read(revision: bigint): RevisionEntry | undefined {
    const line = revision > 0n ? this.#lines[Number(revision) - 1] : undefined;
    return line === undefined ? undefined : decodeEntry(line);
  }

  /** Writes an entry and lets every log that reaches the history know. */
  write(entry: RevisionEntry): void {
    this.#lines.push(encodeEntry(entry));
    for (const log of this.#logs) log.catchUp();
  }
}

/** One hub's view of a history in memory; a test may put the history out of its reach. */
export class MemoryRevisionLog implements RevisionLog {
  readonly #revisions: MemoryRevisions;
  readonly #now: () => number;
  readonly #leave: () => void;
  readonly #entryListeners = new Set<(entry: RevisionEntry) => void>();
  readonly #statusListeners = new Set<(status: LogStatus) => void>();
  #head: RevisionEntry | undefined;
  #status: LogStatus;
  #isClosed = false;

  constructor(revisions: MemoryRevisions, now: () => number, leave: () => void) {
    this.#revisions = revisions;
    this.#now = now;
    this.#leave = leave;
    this.#head = revisions.read(revisions.newest);
    this.#status = { reachable: true, since: now(), reason: "" };
  }

  get head(): RevisionEntry | undefined {
    return this.#head;
  }

  get status(): LogStatus {
    return this.#status;
  }

  /** The switch: with a reason the history is out of reach, with none it is back, and what was missed is heard. */
  setUnreachable(reason: string): void {
    if (reason === this.#status.reason) return;
    const reachable = reason === "";
    const since = reachable === this.#status.reachable ? this.#status.since : this.#now();
    this.#status = { reachable, since, reason };
    for (const listener of [...this.#statusListeners]) listener(this.#status);
    this.catchUp();
  }

  async append(draft: RevisionDraft, expected: bigint): Promise<RevisionEntry> {
    this.#expectReach();
    const { newest } = this.#revisions;
    if (expected !== newest) throw revisionConflict(expected, newest);
    const entry = nextEntry(draft, this.#head, randomUUID(), this.#now());
    this.#revisions.write(entry);
    return entry;
  }

  async get(revision: bigint): Promise<RevisionEntry | undefined> {
    this.#expectReach();
    return this.#revisions.read(revision);
  }

  async list(after: bigint, max: number): Promise<readonly RevisionSummary[]> {
    if (this.#isClosed) this.#expectReach();
    return this.#revisions.list(after, max, this.#head?.revision ?? 0n);
  }

  onEntry(listener: (entry: RevisionEntry) => void): () => void {
    const own = (entry: RevisionEntry): void => listener(entry);
    this.#entryListeners.add(own);
    return () => void this.#entryListeners.delete(own);
  }

  onStatus(listener: (status: LogStatus) => void): () => void {
    const own = (status: LogStatus): void => listener(status);
    this.#statusListeners.add(own);
    return () => void this.#statusListeners.delete(own);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#leave();
  }

  /** Hears the entries after its head, while the history is in reach. */
  catchUp(): void {
    while (this.#status.reachable && !this.#isClosed) {
      const next = this.#revisions.read((this.#head?.revision ?? 0n) + 1n);
      if (!next) return;
      this.#head = next;
      for (const listener of [...this.#entryListeners]) listener(next);
    }
  }

  #expectReach(): void {
    const reason = this.#isClosed ? "it is closed" : this.#status.reason;
    if (reason === "") return;
    throw new HubError("LOG_UNAVAILABLE", `the history of the configuration: ${reason}; try again later`, {
      metadata: { why: reason },
    });
  }
}
