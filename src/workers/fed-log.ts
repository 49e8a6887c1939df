import { makeReady } from "../config/live-config.ts";
import { listen, tell } from "../config/log-listeners.ts";
import type {
  LogStatus,
  RevisionDraft,
  RevisionEntry,
  RevisionLog,
  RevisionSummary,
} from "../config/revision-log.ts";
import type { PrimaryCalls, Start, WorkerCalls } from "./calls.ts";
import type { Link } from "./link.ts";

/** The log of a worker: that of the primary, which feeds it every entry. */
export class FedLog implements RevisionLog, Pick<WorkerCalls, "prepare" | "show" | "setStatus"> {
  readonly #link: Pick<Link<PrimaryCalls>, "call">;
  readonly #entryListeners = new Set<(entry: RevisionEntry) => void>();
  readonly #statusListeners = new Set<(status: LogStatus) => void>();
  #head: RevisionEntry | undefined;
  #coming: RevisionEntry | undefined;
  #status: LogStatus;

  constructor(link: Pick<Link<PrimaryCalls>, "call">, { head, status }: Pick<Start, "head" | "status">) {
    this.#link = link;
    this.#head = head;
    this.#status = status;
  }

  get head(): RevisionEntry | undefined {
    return this.#head;
  }

  get status(): LogStatus {
    return this.#status;
  }

  append(draft: RevisionDraft, expected: bigint): Promise<RevisionEntry> {
    return this.#link.call("append", draft, expected);
  }

  get(revision: bigint): Promise<RevisionEntry | undefined> {
    return this.#link.call("get", revision);
  }

  list(after: bigint, max: number): Promise<readonly RevisionSummary[]> {
    return this.#link.call("list", after, max);
  }

  onEntry(listener: (entry: RevisionEntry) => void): () => void {
    return listen(this.#entryListeners, listener);
  }

  onStatus(listener: (status: LogStatus) => void): () => void {
    return listen(this.#statusListeners, listener);
  }

  /** The log itself is the primary's to close. */
  async close(): Promise<void> {
    this.#entryListeners.clear();
    this.#statusListeners.clear();
  }

  prepare(entry: RevisionEntry): void {
    this.#coming = entry;
    tell([makeReady], entry);
  }

  show(): void {
    const entry = this.#coming;
    this.#coming = undefined;
    if (!entry) return;
    this.#head = entry;
    tell(this.#entryListeners, entry);
  }

  setStatus(status: LogStatus): void {
    this.#status = status;
    tell(this.#statusListeners, status);
  }
}
