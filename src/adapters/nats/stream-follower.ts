import { setTimeout as sleep } from "node:timers/promises";
import {
  chainFault,
  type LogStatus,
  type RevisionEntry,
  type RevisionSummary,
  summaryOf,
} from "../../config/revision-log.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { StreamFault } from "./entry-message.ts";
import { explained, type NatsLink } from "./link.ts";
import type { RevisionStream, StreamEnd } from "./revision-stream.ts";
import { isStreamNotFound } from "./stream-config.ts";

/** How often the stream is asked whether it is there, and for what was not heard of. */
const BEAT_MS = 1_000;
const BEAT_WHILE_GONE_MS = 500;
const READS_AT_ONCE = 16;
const STALE_TRIES = 6;
const STALE_RETRY_MS = 300;

/** Whom to tell of what happens. */
export interface Listener {
  entry(entry: RevisionEntry): void;
  status(status: LogStatus): void;
}

/**
 * Follows a stream: reads each of its entries once, in order and by its sequence, checks that it continues the chain,
 * and knows whether the stream is in reach. It leaves nothing on the server that could be lost with a connection:
 * word of a stored entry only makes it look sooner than the next beat does.
 */
export class StreamFollower {
  readonly #link: NatsLink;
  readonly #stream: RevisionStream;
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #listener: Listener;
  readonly #summaries: RevisionSummary[] = [];
  #head: RevisionEntry | undefined;
  #status: LogStatus;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #beat: NodeJS.Timeout | undefined;
  #isStopped = false;
  /** The making of the stream in which the head was last seen; empty when it has to be looked for. */
  #seenIn = "";

  constructor(link: NatsLink, stream: RevisionStream, logger: Logger, now: () => number, listener: Listener) {
    this.#link = link;
    this.#stream = stream;
    this.#logger = logger;
    this.#now = now;
    this.#listener = listener;
    this.#status = { reachable: true, since: now(), reason: "" };
  }

  get head(): RevisionEntry | undefined {
    return this.#head;
  }

  get status(): LogStatus {
    return this.#status;
  }

  /** Every entry up to the head without its documents, by its revision less one: what is read again must be the same. */
  get summaries(): readonly RevisionSummary[] {
    return this.#summaries;
  }

  /** Reads what there is, and follows the stream from then on. Throws when it cannot. */
  async start(): Promise<void> {
    this.#stream.onStored((sequence) => {
      if (sequence > this.#summaries.length) void this.sync();
    });
    this.#link.onUp(() => void this.sync());
    this.#link.onDown(() => {
      // The server may come back with less than it had.
      this.#seenIn = "";
      void this.sync();
    });
    this.#running = this.#catchUp();
    await this.#running;
    this.#scheduleBeat();
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#beat);
  }

  /** Reads what is new, beginning after this call; afterwards `status` says whether that went well. */
  sync(): Promise<void> {
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      this.#running = this.#sync();
      return this.#running;
    });
    return this.#next;
  }

  /** Takes an entry that is known to be in the stream after the head, unless it is known already. */
  accept(entry: RevisionEntry): void {
    if (this.#isStopped || this.#summaries[Number(entry.revision) - 1]?.hash === entry.hash) return;
    const fault = chainFault(entry, this.#head);
    if (fault) throw new StreamFault(`message ${this.#summaries.length + 1} of the stream ${fault}`);
    this.#summaries.push(summaryOf(entry));
    this.#head = entry;
    this.#listener.entry(entry);
  }

  async #sync(): Promise<void> {
    if (this.#isStopped) return;
    try {
      await this.#catchUp();
      this.#setStatus("");
    } catch (error) {
      this.#setStatus(explained(error));
    }
  }

  async #catchUp(): Promise<void> {
    // What is appended here meanwhile is no sign that the stream has lost anything.
    const head = this.#head;
    const known = this.#summaries.length;
    const { last, created } = await this.#end(known);
    if (last < known) {
      throw new StreamFault(
        `the stream ends at ${last}, but entry ${known} was there: restore the stream, or restart the hub to go on from what is left`,
      );
    }
    if (head && created !== this.#seenIn) await this.#expectHead(head);
    this.#seenIn = created;
    const reads: Promise<RevisionEntry>[] = [];
    for (let next = known + 1, read = next; next <= last; next++) {
      for (; read <= last && reads.length < READS_AT_ONCE; read++) {
        const reading = this.#stream.read(read);
        // It is awaited in its turn; until then its failure is not one that nobody cares for.
        reading.catch(() => {});
        reads.push(reading);
      }
      const entry = await reads.shift();
      if (entry) this.accept(entry);
    }
  }

  // A leader that has been replaced while it hung answers from what it had, until it learns of it. So does a server of
  // a cluster that has not heard of the stream yet: by its word there is none, a moment after another has made it.
  async #end(known: number): Promise<StreamEnd> {
    for (let tries = 1; ; tries++) {
      const isLast = tries === STALE_TRIES;
      try {
        const end = await this.#stream.end();
        if (end.last >= known || isLast) return end;
      } catch (error) {
        if (this.#seenIn !== "" || isLast || !isStreamNotFound(error)) throw error;
      }
      await sleep(STALE_RETRY_MS);
    }
  }

  async #expectHead(head: RevisionEntry): Promise<void> {
    const { hash } = await this.#stream.read(Number(head.revision));
    if (hash === head.hash) return;
    throw new StreamFault(
      `message ${head.revision} of the stream is not the entry that was there: restore the stream, or restart the hub to go on from what it holds`,
    );
  }

  #scheduleBeat(): void {
    if (this.#isStopped) return;
    const after = this.#status.reachable ? BEAT_MS : BEAT_WHILE_GONE_MS;
    this.#beat = setTimeout(() => void this.sync().then(() => this.#scheduleBeat()), after);
  }

  #setStatus(reason: string): void {
    if (this.#isStopped || this.#status.reason === reason) return;
    const reachable = reason === "";
    const isTurn = reachable !== this.#status.reachable;
    const since = isTurn ? this.#now() : this.#status.since;
    this.#status = { reachable, since, reason };
    if (reachable) this.#logger.info({ stream: this.#stream.name }, "the history is in reach again");
    else if (isTurn) this.#logger.warn({ stream: this.#stream.name, reason }, "the history is out of reach");
    this.#listener.status(this.#status);
  }
}
