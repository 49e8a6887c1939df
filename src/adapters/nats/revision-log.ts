import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { listen, tell } from "../../config/log-listeners.ts";
import {
  chainFault,
  type LogStatus,
  nextEntry,
  pageOf,
  type RevisionDraft,
  type RevisionEntry,
  type RevisionLog,
  type RevisionSummary,
  revisionConflict,
} from "../../config/revision-log.ts";
import { HubError } from "../../errors.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { parseNatsUrl } from "./connect.ts";
import { EntryCache } from "./entry-cache.ts";
import { type EntryMessage, StreamFault, toMessage } from "./entry-message.ts";
import { explained, type NatsLink, openLink } from "./link.ts";
import { RevisionStream } from "./revision-stream.ts";
import { StreamFollower } from "./stream-follower.ts";

const DEFAULT_STREAM = "CENTRAL_HUB_REVISIONS";
const OPEN_MS = 10_000;
/** How long an append whose outcome is open is tried again. */
const APPEND_MS = 4_000;
const RETRY_MS = 50;
const CACHED_CHARACTERS = 32 * 1024 * 1024;

/** Where the history lives. */
export interface NatsRevisionLogOptions {
  /** `nats://user:pass@host:4222,other:4222/STREAM?replicas=3`: all but a host may be left out. */
  readonly url: string;
  /** In place of the one that the URL names. */
  readonly stream?: string;
  /** For a stream that is made now; by default three in a cluster and one on a lone server. */
  readonly replicas?: number;
  readonly logger: Logger;
  /** How long to wait for a server, and then for its stream. */
  readonly openTimeoutMs?: number;
  readonly now?: () => number;
}

/**
 * Opens the history in a JetStream stream, which it makes when there is none, and reads it from its beginning. Throws
 * Error for options that are none, and LOG_UNAVAILABLE when the stream is out of reach or is not a whole history.
 */
export async function openNatsRevisionLog(options: NatsRevisionLogOptions): Promise<RevisionLog> {
  const { address, stream: name, replicas } = parseOptions(options);
  const { logger, openTimeoutMs: timeoutMs = OPEN_MS, now = Date.now } = options;
  let link: NatsLink | undefined;
  try {
    link = await openLink(address, "central-hub revision log", timeoutMs);
    const stream = await RevisionStream.open(link, name, { replicas, timeoutMs, logger });
    const log = new NatsRevisionLog(link, stream, logger, now);
    await log.start();
    return log;
  } catch (error) {
    await link?.close();
    throw unavailable(explained(error), error);
  }
}

/** The history in a stream that any number of hubs share. */
class NatsRevisionLog implements RevisionLog {
  readonly #link: NatsLink;
  readonly #stream: RevisionStream;
  readonly #follower: StreamFollower;
  readonly #now: () => number;
  readonly #entryListeners = new Set<(entry: RevisionEntry) => void>();
  readonly #statusListeners = new Set<(status: LogStatus) => void>();
  readonly #cache = new EntryCache(CACHED_CHARACTERS);
  #closing: Promise<void> | undefined;
  /** The last of the appends, which run one after the other. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(link: NatsLink, stream: RevisionStream, logger: Logger, now: () => number) {
    this.#link = link;
    this.#stream = stream;
    this.#now = now;
    this.#follower = new StreamFollower(link, stream, logger, now, {
      entry: (entry) => {
        this.#cache.add(entry);
        tell(this.#entryListeners, entry);
      },
      status: (status) => tell(this.#statusListeners, status),
    });
  }

  get head(): RevisionEntry | undefined {
    return this.#follower.head;
  }

  get status(): LogStatus {
    return this.#follower.status;
  }

  start(): Promise<void> {
    return this.#follower.start();
  }

  append(draft: RevisionDraft, expected: bigint): Promise<RevisionEntry> {
    if (this.#closing !== undefined) return Promise.reject(unavailable("it is closed"));
    // As it is now: what its owner does to it while it waits is not to be part of it.
    const taken = { ...draft, documents: new Map(draft.documents) };
    const appended = this.#queue.then(() => this.#append(taken, expected));
    this.#queue = appended.catch(() => {});
    return appended;
  }

  async get(revision: bigint): Promise<RevisionEntry | undefined> {
    if (this.#closing !== undefined) throw unavailable("it is closed");
    // Another hub may have written it a moment ago.
    if (revision > this.#newest) await this.#catchUp();
    if (revision < 1n || revision > this.#newest) return undefined;
    const known = revision === this.head?.revision ? this.head : this.#cache.get(revision);
    if (known) return known;
    this.#expectReach();
    try {
      const entry = await this.#stream.read(Number(revision));
      this.#expectSame(entry, revision);
      this.#cache.add(entry);
      return entry;
    } catch (error) {
      throw unavailable(explained(error), error);
    }
  }

  async list(after: bigint, max: number): Promise<readonly RevisionSummary[]> {
    if (this.#closing !== undefined) throw unavailable("it is closed");
    return pageOf(this.#follower.summaries, after, max);
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
      this.#follower.stop();
      await this.#link.close();
    });
    return this.#closing;
  }

  get #newest(): bigint {
    return BigInt(this.#follower.summaries.length);
  }

  async #append(draft: RevisionDraft, expected: bigint): Promise<RevisionEntry> {
    this.#expectReach();
    // Whoever asks may have heard from another hub of an entry that has not come here yet.
    if (expected > this.#newest) await this.#catchUp();
    if (expected !== this.#newest) throw revisionConflict(expected, this.#newest);
    const entry = nextEntry(draft, this.head, randomUUID(), this.#now());
    const message = await toMessage(entry, this.#stream.name);
    if (message.size > this.#stream.maxSize) throw tooLarge(message.size, this.#stream.maxSize);
    const lost = new AbortController();
    const stop = this.onStatus(({ reachable, reason }) => {
      if (!reachable) lost.abort(unavailable(`${reason}; ${unknownOutcome(entry)}`));
    });
    try {
      return await unlessAborted(this.#write(entry, message, lost.signal), lost.signal);
    } finally {
      stop();
    }
  }

  /** Writes the entry for as long as its outcome is open, or until the log is lost. */
  async #write(entry: RevisionEntry, message: EntryMessage, lost: AbortSignal): Promise<RevisionEntry> {
    const end = performance.now() + APPEND_MS;
    for (let isOpen = false; ; await sleep(RETRY_MS)) {
      lost.throwIfAborted();
      const { outcome, why } = await this.#stream.write(message);
      if (outcome === "written") {
        this.#follower.accept(entry);
        return entry;
      }
      // What stands there says more than any answer: the one to a first try may be lost, and a second is refused.
      await this.#follower.sync();
      isOpen ||= outcome !== "refused";
      if (this.#newest >= entry.revision) {
        if (await this.#isOwn(entry, message)) return entry;
        throw revisionConflict(entry.revision - 1n, this.#newest);
      }
      if (outcome !== "refused" && performance.now() < end) continue;
      throw unavailable(`${why}; ${isOpen ? unknownOutcome(entry) : "nothing was written"}`);
    }
  }

  async #isOwn(entry: RevisionEntry, message: EntryMessage): Promise<boolean> {
    if (this.#follower.summaries[message.sequence - 1]?.hash !== entry.hash) return false;
    try {
      return await this.#stream.holds(message);
    } catch (error) {
      throw unavailable(`${explained(error)}; ${unknownOutcome(entry)}`, error);
    }
  }

  async #catchUp(): Promise<void> {
    this.#expectReach();
    await this.#follower.sync();
    this.#expectReach();
  }

  #expectReach(): void {
    const { reachable, reason } = this.status;
    if (!reachable) throw unavailable(reason);
  }

  /** What is read again must be what was read first. */
  #expectSame(entry: RevisionEntry, revision: bigint): void {
    const at = Number(revision) - 1;
    const { summaries } = this.#follower;
    const previous = { ...entry, revision: revision - 1n, hash: summaries[at - 1]?.hash ?? "" };
    const fault = chainFault(entry, revision > 1n ? previous : undefined);
    if (fault) throw new StreamFault(`message ${revision} of the stream ${fault}`);
    if (entry.hash !== summaries[at]?.hash)
      throw new StreamFault(`message ${revision} of the stream is not what it was`);
  }
}

function parseOptions(options: NatsRevisionLogOptions) {
  const address = parseNatsUrl(options.url);
  const stream = options.stream ?? (address.path || DEFAULT_STREAM);
  if (!/^[A-Za-z0-9_-]+$/.test(stream)) {
    throw new Error(`"${stream}" is no name for a stream; use A-Z, a-z, 0-9, _ and -`);
  }
  const asked = address.query.get("replicas");
  const replicas = options.replicas ?? (asked === null ? undefined : Number(asked));
  if (replicas !== undefined && ![1, 2, 3, 4, 5].includes(replicas)) {
    throw new Error("replicas of the revision log's stream must be a number from 1 to 5");
  }
  return { address, stream, replicas };
}

function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    work.then(resolve, reject);
  });
}

function unknownOutcome({ revision }: RevisionEntry): string {
  return `whether revision ${revision} was written is not known`;
}

function unavailable(why: string, cause?: unknown): HubError {
  const message = `the history of the configuration: ${why}; try again later`;
  return new HubError("LOG_UNAVAILABLE", message, { metadata: { why }, cause });
}

function tooLarge(size: number, limit: number): HubError {
  const message = `the revision takes ${size} bytes compressed, and the NATS server takes ${limit}: publish smaller documents, or raise max_payload in the server's configuration (and max_msg_size of the stream, when it has one)`;
  return new HubError("INVALID_REQUEST", message, { metadata: { size: String(size), limit: String(limit) } });
}
