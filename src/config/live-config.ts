import type { Finding } from "../documents/findings.ts";
import { ConfigManager } from "./config-manager.ts";
import { type DocumentTexts, isDocument } from "./document-set.ts";
import type { RevisionEntry, RevisionLog } from "./revision-log.ts";
import { type Compiled, compile, type Snapshot } from "./snapshot.ts";

/** What keeps the newest revision, or the newest files, from being served. */
export interface Trouble {
  /** "revision" or "files". */
  readonly source: "revision" | "files";
  readonly findings: readonly Finding[];
}

/** The author of revisions that come from the configuration directory. */
export const FILE_AUTHOR = "file";

/**
 * Keeps a ConfigManager at the newest sound revision of a log. A revision that this hub cannot make sense of, as one
 * written by a newer hub may be, leaves the last good snapshot serving.
 */
export class LiveConfig {
  readonly manager: ConfigManager;
  readonly log: RevisionLog;
  readonly #listeners = new Set<(snapshot: Snapshot) => void>();
  readonly #troubleListeners = new Set<(trouble: Trouble) => void>();
  readonly #troubles = new Map<Trouble["source"], Trouble>();
  readonly #stop: () => void;

  private constructor(log: RevisionLog, first: Snapshot) {
    this.log = log;
    this.manager = new ConfigManager(first);
    this.#stop = log.onEntry((entry) => this.#take(entry));
  }

  /**
   * Starts from the log's newest sound revision, or makes the files the first one of an empty log. Throws
   * DocumentsUnfit when there is nothing that can be served.
   */
  static async start(log: RevisionLog, files: DocumentTexts): Promise<LiveConfig> {
    if (!log.head) {
      const { compiled, report } = compile(files);
      if (!compiled) throw new DocumentsUnfit(report.findings);
      const documents = new Map([...files].filter(([file]) => isDocument(file)));
      const draft = { documents, author: FILE_AUTHOR, comment: "first revision", rollbackOf: 0n };
      // Another hub may have been quicker; then its revision is the first for both.
      await log.append(draft, 0n).catch((error: unknown) => {
        if (!log.head) throw error;
      });
    }
    const head = log.head;
    if (!head) throw new Error("the revision log is empty although a revision was written");
    const { compiled, report } = compileEntry(head);
    if (compiled) return new LiveConfig(log, toSnapshot(compiled, head));
    const last = await lastSound(log, head);
    if (!last) throw new DocumentsUnfit(report.findings);
    const live = new LiveConfig(log, last);
    live.#trouble({ source: "revision", findings: report.findings });
    // What has come while the last sound one was looked for.
    if (log.head && log.head.revision > head.revision) live.#take(log.head);
    return live;
  }

  /**
   * A revision as reads were answered from it; undefined when it is not there, or was never served. Throws
   * LOG_UNAVAILABLE.
   */
  async recall(revision: bigint): Promise<Snapshot | undefined> {
    const entry = await this.log.get(revision);
    const compiled = entry && compileEntry(entry).compiled;
    return compiled && toSnapshot(compiled, entry);
  }

  /** What is wrong with the newest revision or files; empty when all is well. */
  get troubles(): readonly Trouble[] {
    return [...this.#troubles.values()];
  }

  /** Notes or clears what is wrong with the files. */
  reportFiles(findings: readonly Finding[]): void {
    if (findings.length > 0) this.#trouble({ source: "files", findings });
    else this.#troubles.delete("files");
  }

  /** Calls back for each new trouble. Returns the way to stop. */
  onTrouble(listener: (trouble: Trouble) => void): () => void {
    this.#troubleListeners.add(listener);
    return () => this.#troubleListeners.delete(listener);
  }

  /** Calls back after each new snapshot, once reads are answered from it. Returns the way to stop. */
  onSnapshot(listener: (snapshot: Snapshot) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Stops following the log. */
  stop(): void {
    this.#stop();
  }

  #take(entry: RevisionEntry): void {
    const { compiled, report } = compileEntry(entry);
    if (!compiled) {
      this.#trouble({ source: "revision", findings: report.findings });
      return;
    }
    this.#troubles.delete("revision");
    const snapshot = toSnapshot(compiled, entry);
    this.manager.adopt(snapshot);
    for (const listener of this.#listeners) listener(snapshot);
  }

  #trouble(trouble: Trouble): void {
    this.#troubles.set(trouble.source, trouble);
    for (const listener of this.#troubleListeners) listener(trouble);
  }
}

/** The documents cannot be served. */
export class DocumentsUnfit extends Error {
  readonly findings: readonly Finding[];
  constructor(findings: readonly Finding[]) {
    super("the documents are not fit to be served");
    this.findings = findings;
  }
}

// The newest revision before one that can be served; undefined when there is none.
async function lastSound(log: RevisionLog, before: RevisionEntry): Promise<Snapshot | undefined> {
  for (let revision = before.revision - 1n; revision > 0n; revision--) {
    const entry = await log.get(revision);
    const compiled = entry && compileEntry(entry).compiled;
    if (compiled) return toSnapshot(compiled, entry);
  }
  return undefined;
}

/** Makes ready what takes time of an entry that is about to be served. */
export function makeReady(entry: RevisionEntry): void {
  readied.set(entry, compile(entry.documents, entry.time));
}

const readied = new WeakMap<RevisionEntry, ReturnType<typeof compile>>();

// As of the time when it was accepted: a waiver that has expired since does not take back what was published.
function compileEntry(entry: RevisionEntry): ReturnType<typeof compile> {
  const ready = readied.get(entry);
  // The entry may be kept for long after it was served, and is not to keep this.
  readied.delete(entry);
  return ready ?? compile(entry.documents, entry.time);
}

function toSnapshot(compiled: Compiled, { epoch, revision, time }: RevisionEntry): Snapshot {
  return { ...compiled, epoch, revision, time };
}
