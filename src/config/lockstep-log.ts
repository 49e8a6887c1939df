import { makeReady } from "./live-config.ts";
import { listen, tell } from "./log-listeners.ts";
import type {
  LogStatus,
  RevisionDraft,
  RevisionEntry,
  RevisionLog,
  RevisionSummary,
} from "./revision-log.ts";

/** Time that followers have to make an entry ready, in milliseconds, and how many times as long as it takes here. */
const PREPARE_MS = 5_000;
const PATIENCE = 10;

/**
 * Those who show the entries of a log together with this process. None of these rejects: who does not follow is left
 * behind, and shows nothing to anybody any more.
 */
export interface Followers {
  /** Begins to make the entry ready. What it returns resolves once all could show it, or so many milliseconds later. */
  prepare(entry: RevisionEntry): (withinMs: number) => Promise<void>;
  /** Resolves once none of them answers anybody. */
  hold(): Promise<void>;
  /** All of them show the entry, and answer again. */
  show(): void;
}

/**
 * A log whose entries are shown by several processes in step: as soon as one of them has shown an entry to anybody, none
 * shows what was before it. What has been appended is shown by all of them before `append` returns.
 */
export class LockstepLog implements RevisionLog {
  readonly #log: RevisionLog;
  readonly #followers: Followers;
  readonly #listeners = new Set<(entry: RevisionEntry) => void>();
  #head: RevisionEntry | undefined;
  /** The last of the steps, which are taken one after the other. */
  #steps: Promise<void> = Promise.resolve();

  constructor(log: RevisionLog, followers: Followers) {
    this.#log = log;
    this.#followers = followers;
    this.#head = log.head;
    log.onEntry((entry) => void this.#queue(() => this.#step(entry)));
  }

  /** The newest entry that is shown. */
  get head(): RevisionEntry | undefined {
    return this.#head;
  }

  get status(): LogStatus {
    return this.#log.status;
  }

  /** Lets somebody in between two steps: who is given the head now takes part in every later step. */
  enter<Result>(welcome: (head: RevisionEntry | undefined) => Result): Promise<Result> {
    return this.#queue(() => welcome(this.#head));
  }

  async append(draft: RevisionDraft, expected: bigint): Promise<RevisionEntry> {
    try {
      return await this.#log.append(draft, expected);
    } finally {
      // Also after a conflict: who is told of a newer revision is to find it.
      await this.#steps;
    }
  }

  async get(revision: bigint): Promise<RevisionEntry | undefined> {
    const entry = await this.#log.get(revision);
    if (entry) await this.#shown(revision);
    return entry;
  }

  async list(after: bigint, max: number): Promise<readonly RevisionSummary[]> {
    const entries = await this.#log.list(after, max);
    await this.#shown(entries.at(-1)?.revision ?? 0n);
    return entries;
  }

  onEntry(listener: (entry: RevisionEntry) => void): () => void {
    return listen(this.#listeners, listener);
  }

  onStatus(listener: (status: LogStatus) => void): () => void {
    return this.#log.onStatus(listener);
  }

  async close(): Promise<void> {
    await this.#log.close();
    await this.#steps;
  }

  async #step(entry: RevisionEntry): Promise<void> {
    const prepared = this.#followers.prepare(entry);
    const began = performance.now();
    tell([makeReady], entry);
    // What takes long here takes long there, where others are served besides.
    await prepared(PREPARE_MS + PATIENCE * (performance.now() - began));
    await this.#followers.hold();
    this.#head = entry;
    tell(this.#listeners, entry);
    this.#followers.show();
  }

  async #shown(revision: bigint): Promise<void> {
    if (revision > (this.#head?.revision ?? 0n)) await this.#steps;
  }

  #queue<Result>(step: () => Result | Promise<Result>): Promise<Result> {
    const taken = this.#steps.then(step);
    this.#steps = taken.then(
      () => {},
      () => {},
    );
    return taken;
  }
}
