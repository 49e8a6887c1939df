import type { Finding } from "../documents/findings.ts";
import { HubError } from "../errors.ts";
import { type Change, compareDocuments } from "./changes.ts";
import { type DocumentTexts, isDocument } from "./document-set.ts";
import type { LiveConfig } from "./live-config.ts";
import { checkChange, type LiveServices } from "./release-checks.ts";
import { type RevisionEntry, type RevisionSummary, revisionConflict } from "./revision-log.ts";
import { compile } from "./snapshot.ts";

/** A change to publish. */
export interface Proposal {
  readonly documents: DocumentTexts;
  readonly removedFiles: readonly string[];
  /** The revision that the change was made from. */
  readonly expectedRevision: bigint;
  readonly author: string;
  readonly comment: string;
  /** The revision whose documents these are; 0 when it is no rollback. */
  readonly rollbackOf?: bigint;
}

/** What came, or would come, of a proposal. */
export interface Outcome {
  /** The new revision; undefined after a dry run, and when nothing would change. */
  readonly entry: RevisionEntry | undefined;
  readonly changes: readonly Change[];
  readonly findings: readonly Finding[];
}

/** A proposal that was not published because of what it says. */
export class DocumentsRefused extends HubError {
  readonly findings: readonly Finding[];
  readonly changes: readonly Change[];
  constructor(findings: readonly Finding[], changes: readonly Change[]) {
    const fails = findings.filter(({ severity }) => severity === "FAIL");
    const [first] = fails;
    const more = fails.length > 1 ? `, and ${fails.length - 1} more` : "";
    const text = first
      ? `${first.file}:${first.line}: ${first.path}: ${first.message}; ${first.remedy}${more}`
      : "";
    super("DOCUMENTS_REFUSED", `the documents are not fit to be published: ${text}`, {
      metadata: { fails: String(fails.length) },
    });
    this.findings = findings;
    this.changes = changes;
  }
}

/** Changes the configuration, one revision at a time. */
export class ReleaseDesk {
  readonly #live: LiveConfig;
  readonly #services: LiveServices;
  readonly #now: () => number;

  constructor(live: LiveConfig, services: LiveServices, now: () => number = Date.now) {
    this.#live = live;
    this.#services = services;
    this.#now = now;
  }

  /**
   * Publishes a change as one revision, which reads are answered from when this returns. Throws REVISION_CONFLICT when
   * the expected revision is not the newest, DocumentsRefused, LOG_UNAVAILABLE; then nothing has changed.
   */
  async publish(proposal: Proposal, dryRun = false): Promise<Outcome> {
    const { log } = this.#live;
    const head = log.head;
    if (!head || head.revision !== proposal.expectedRevision)
      throw revisionConflict(proposal.expectedRevision, head?.revision ?? 0n);
    const documents = merge(head.documents, proposal);
    const changes = compareDocuments(head.documents, documents);
    const { compiled, documents: read, report } = compile(documents, this.#now());
    // Also of a set that is refused: whoever mends it is to see all at once.
    checkChange(this.#live.manager.snapshot.documents, read, this.#services, report);
    const { findings } = report;
    if (dryRun) return { entry: undefined, changes, findings };
    if (!compiled) throw new DocumentsRefused(findings, changes);
    if (changes.length === 0) return { entry: undefined, changes, findings };
    const { author, comment, rollbackOf = 0n } = proposal;
    const entry = await log.append({ documents, author, comment, rollbackOf }, head.revision);
    return { entry, changes, findings };
  }

  /** Publishes the documents of an earlier revision again. Throws UNKNOWN_REVISION, and as publish. */
  async rollback(target: bigint, expected: bigint, author: string, comment: string): Promise<Outcome> {
    const { documents } = await this.get(target);
    const head = this.#live.log.head;
    const removedFiles = [...(head?.documents.keys() ?? [])].filter((file) => !documents.has(file));
    return await this.publish({
      documents,
      removedFiles,
      expectedRevision: expected,
      author,
      comment: comment || `rollback to revision ${target}`,
      rollbackOf: target,
    });
  }

  /** One revision; 0 is the newest. Throws UNKNOWN_REVISION, LOG_UNAVAILABLE. */
  async get(revision: bigint): Promise<RevisionEntry> {
    const { log } = this.#live;
    const newest = log.head?.revision ?? 0n;
    const entry = revision === 0n || revision === newest ? log.head : await log.get(revision);
    if (entry) return entry;
    const message = `revision: ${revision} is not there; revisions are 1 to ${newest}`;
    throw new HubError("UNKNOWN_REVISION", message, {
      metadata: { revision: String(revision), newest: String(newest) },
    });
  }

  /** Revisions after a point, from oldest to newest, at most so many, without documents. Throws LOG_UNAVAILABLE. */
  async list(after: bigint, max: number): Promise<{ entries: readonly RevisionSummary[]; more: boolean }> {
    const { log } = this.#live;
    const newest = log.head?.revision ?? 0n;
    const entries = await log.list(after, max);
    return { entries, more: after + BigInt(entries.length) < newest };
  }

  /** What changed between two revisions: 0 is the newest, or the one before it. Throws UNKNOWN_REVISION. */
  async diff(
    from: bigint,
    to: bigint,
  ): Promise<{ from: RevisionEntry; to: RevisionEntry; changes: Change[] }> {
    const after = await this.get(to);
    const before = await this.get(
      from === 0n && after.revision > 1n ? after.revision - 1n : from || after.revision,
    );
    return { from: before, to: after, changes: compareDocuments(before.documents, after.documents) };
  }
}

function merge(
  before: DocumentTexts,
  { documents, removedFiles, rollbackOf = 0n }: Proposal,
): Map<string, string> {
  const merged = new Map(before);
  for (const file of removedFiles) {
    if (!merged.delete(file))
      throw new HubError("INVALID_REQUEST", `removed_files: there is no document "${file}"`);
    if (documents.has(file))
      throw new HubError("INVALID_REQUEST", `removed_files: "${file}" is also in documents`);
  }
  for (const [file, text] of documents) {
    // What was in the history once may come back, also what the hub does not know any more.
    if (!isDocument(file) && rollbackOf === 0n) {
      const names =
        "phase2/messaging/kafka.json, flags.json, infrastructure.yaml, compliance.yaml, data-routes.yaml";
      throw new HubError(
        "INVALID_REQUEST",
        `documents: "${file}" is not the name of a document; names are such as ${names}`,
      );
    }
    merged.set(file, text);
  }
  return merged;
}
