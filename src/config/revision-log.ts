import { createHash } from "node:crypto";
import { HubError } from "../errors.ts";
import type { DocumentTexts } from "./document-set.ts";

/** What a new revision is to hold. */
export interface RevisionDraft {
  /** The whole set of documents, not only those that change. */
  readonly documents: DocumentTexts;
  /** Who writes it: a token's subject, or "file". */
  readonly author: string;
  /** Why, in the author's words. */
  readonly comment: string;
  /** The revision whose documents these are; 0 when it is no rollback. */
  readonly rollbackOf: bigint;
}

/** One entry of the history. */
export interface RevisionEntry extends RevisionDraft {
  readonly epoch: string;
  /** From 1, without gaps. */
  readonly revision: bigint;
  /** When it was written, in milliseconds since 1970, by the writer's clock. Never used for order. */
  readonly time: number;
  /** Hash of the entry before; empty for the first. */
  readonly previousHash: string;
  /** Hash over all of the above. */
  readonly hash: string;
}

/** An entry without its documents: what lists are made of. */
export type RevisionSummary = Omit<RevisionEntry, "documents">;

/** Whether the log can be written to and heard, and since when that is so, in milliseconds since 1970. */
export interface LogStatus {
  readonly reachable: boolean;
  readonly since: number;
  /** Why not; empty when it is reachable. */
  readonly reason: string;
}

/**
 * The append-only history of the configuration, shared by every hub that uses it. What `append` has returned is
 * durable, and stays.
 */
export interface RevisionLog {
  /** The newest entry that this hub knows; undefined while the log is empty. */
  readonly head: RevisionEntry | undefined;
  readonly status: LogStatus;

  /**
   * Writes the entry after `expected`, which is 0 for the first. Throws REVISION_CONFLICT when `expected` is not the
   * newest, LOG_UNAVAILABLE when the log cannot be written; then nothing was written, or nothing that is known
   * to be: read the log again before a second try.
   */
  append(draft: RevisionDraft, expected: bigint): Promise<RevisionEntry>;

  /** One entry; undefined when there is none. Throws LOG_UNAVAILABLE. */
  get(revision: bigint): Promise<RevisionEntry | undefined>;

  /**
   * The entries after a revision, from oldest to newest, at most so many, without reading any document. Also while the
   * log is out of reach, as far as this hub has heard. Throws LOG_UNAVAILABLE once it is closed.
   */
  list(after: bigint, max: number): Promise<readonly RevisionSummary[]>;

  /**
   * Calls back for every entry that comes after `head`, whoever wrote it, in order, each once, and at the latest
   * before `append` returns it. Returns the way to stop.
   */
  onEntry(listener: (entry: RevisionEntry) => void): () => void;

  /** Calls back whenever `status` has changed. Returns the way to stop. */
  onStatus(listener: (status: LogStatus) => void): () => void;

  close(): Promise<void>;
}

/**
 * Makes the entry that follows another, hash and all. Throws INVALID_REQUEST for text with half a surrogate pair:
 * it has no form in UTF-8, so the hash could not tell it from other such text.
 */
export function nextEntry(
  draft: RevisionDraft,
  previous: RevisionEntry | undefined,
  epoch: string,
  time: number,
): RevisionEntry {
  const documents = new Map(draft.documents);
  const unsigned = {
    epoch: previous?.epoch ?? epoch,
    revision: (previous?.revision ?? 0n) + 1n,
    time,
    author: draft.author,
    comment: draft.comment,
    rollbackOf: draft.rollbackOf,
    previousHash: previous?.hash ?? "",
    documents,
  };
  for (const text of [draft.author, draft.comment, ...[...documents].flat()]) {
    if (text.isWellFormed()) continue;
    throw new HubError(
      "INVALID_REQUEST",
      "the text of a revision holds half a surrogate pair; send valid Unicode",
    );
  }
  return { ...unsigned, hash: entryHash(unsigned) };
}

/** What there is to say of an entry beside its documents. */
export function summaryOf({ documents: _documents, ...summary }: RevisionEntry): RevisionSummary {
  return summary;
}

/** At most so many of the items after a revision, of one for every revision from 1. */
export function pageOf<Item>(all: readonly Item[], after: bigint, max: number): Item[] {
  const from = after < BigInt(all.length) ? Number(after) : all.length;
  return all.slice(from, from + max);
}

/** What to throw when somebody else has written the entry after `expected`. */
export function revisionConflict(expected: bigint, newest: bigint): HubError {
  return new HubError(
    "REVISION_CONFLICT",
    `expected_revision: ${expected} is not the newest, which is ${newest}; look at what changed and publish again`,
    { metadata: { expected: String(expected), newest: String(newest) } },
  );
}

/** The hash of an entry: SHA-256 over its fields, each with its length before it, documents by path. */
export function entryHash(entry: Omit<RevisionEntry, "hash">): string {
  const hash = createHash("sha256");
  const add = (text: string): void => {
    const bytes = Buffer.from(text, "utf8");
    hash.update(`${bytes.length}:`).update(bytes);
  };
  const { epoch, revision, time, author, comment, rollbackOf, previousHash } = entry;
  for (const field of [
    epoch,
    String(revision),
    String(time),
    author,
    comment,
    String(rollbackOf),
    previousHash,
  ]) {
    add(field);
  }
  for (const [path, text] of [...entry.documents].sort(([a], [b]) => (a < b ? -1 : 1))) {
    add(path);
    add(text);
  }
  return hash.digest("hex");
}

/** Says why an entry does not follow another; undefined when it does. */
export function chainFault(entry: RevisionEntry, previous: RevisionEntry | undefined): string | undefined {
  const expected = (previous?.revision ?? 0n) + 1n;
  if (entry.revision !== expected) return `is revision ${entry.revision} where ${expected} should be`;
  if (entry.previousHash !== (previous?.hash ?? "")) return "does not name the hash of the entry before it";
  if (previous && entry.epoch !== previous.epoch) return `is of epoch ${entry.epoch}, not ${previous.epoch}`;
  if (entry.hash !== entryHash(entry)) return "does not have the hash of its content";
  return undefined;
}

/** The form in which logs store an entry: one line of JSON, the same bytes for the same entry. */
export function encodeEntry(entry: RevisionEntry): string {
  const { epoch, revision, time, author, comment, rollbackOf, previousHash, hash, documents } = entry;
  const stored: Stored = {
    epoch,
    revision: String(revision),
    time,
    author,
    comment,
    rollbackOf: String(rollbackOf),
    previousHash,
    hash,
    documents: Object.fromEntries(documents),
  };
  return JSON.stringify(stored);
}

/** Reads the stored form. Throws SyntaxError for what is not one; says nothing of the chain. */
export function decodeEntry(text: string): RevisionEntry {
  const value: unknown = JSON.parse(text);
  if (!isStored(value)) throw new SyntaxError("not an entry of a revision log");
  const { epoch, revision, time, author, comment, rollbackOf, previousHash, hash, documents } = value;
  return {
    epoch,
    revision: BigInt(revision),
    time,
    author,
    comment,
    rollbackOf: BigInt(rollbackOf),
    previousHash,
    hash,
    documents: new Map(Object.entries(documents)),
  };
}

interface Stored {
  epoch: string;
  revision: string;
  time: number;
  author: string;
  comment: string;
  rollbackOf: string;
  previousHash: string;
  hash: string;
  documents: Record<string, string>;
}

function isStored(value: unknown): value is Stored {
  if (typeof value !== "object" || value === null) return false;
  const record = value as Record<string, unknown>;
  const texts = ["epoch", "revision", "author", "comment", "rollbackOf", "previousHash", "hash"];
  if (!texts.every((name) => typeof record[name] === "string") || typeof record.time !== "number")
    return false;
  if (!/^\d+$/.test(String(record.revision)) || !/^\d+$/.test(String(record.rollbackOf))) return false;
  const { documents } = record;
  return (
    typeof documents === "object" &&
    documents !== null &&
    Object.values(documents).every((t) => typeof t === "string")
  );
}
