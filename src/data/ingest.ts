import { HubError } from "../errors.ts";
import type { Appended, NewEvent } from "./user-event.ts";
import type { UserEventStore } from "./user-event-store.ts";

/** What stores batches. */
export type BatchStore = Pick<UserEventStore, "lanes" | "batchEvents" | "append">;

/** How much may wait, in events. */
export interface IngestBounds {
  readonly events: number;
  readonly eventsPerUser: number;
}

/** Until when a caller waits. */
export interface Patience {
  /** By performance.now(), in milliseconds. */
  readonly deadline: number;
  /** Aborted when the caller has gone. */
  readonly signal: { readonly aborted: boolean };
}

/** Hears what group commit does, for metrics. */
export interface IngestWatch {
  /** A batch of so many events has been stored, or not, in so many seconds. */
  flushed(events: number, seconds: number): void;
  /** What became of events, of one where no number is given: "saved", "repeated" (it was there), "conflict", "erased", or the reason of its refusal. */
  settled(outcome: string, events?: number): void;
}

/** Hears nothing. */
export const NOBODY: IngestWatch = { flushed() {}, settled() {} };

/** Hears once what became of an event; `place` is what was given with it. */
export type Settle = (outcome: Appended | HubError, event: NewEvent, place: number) => void;

interface Waiting extends Patience {
  readonly event: NewEvent;
  readonly settle: Settle;
  readonly place: number;
}

interface Lane {
  readonly waiting: Waiting[];
  isRunning: boolean;
}

/** Bytes of payloads in one batch; a single event may have more. */
const BATCH_BYTES = 4 * 1024 * 1024;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 5_000;

/**
 * Group commit: events wait in lanes, a user's always in the same one, and a lane stores what has come together as one
 * transaction as soon as the one before has returned. Nobody waits for a timer, and nobody is answered before the commit.
 */
export class Ingest {
  readonly #store: BatchStore;
  readonly #bounds: IngestBounds;
  readonly #onStored: (userIds: ReadonlySet<string>) => void;
  readonly #lanes: readonly Lane[];
  readonly #perUser = new Map<string, number>();
  #count = 0;
  #lastFlushMs = 10;
  readonly #watch: IngestWatch;

  /** `onStored` hears of the users of each batch that has been committed. */
  constructor(
    store: BatchStore,
    bounds: IngestBounds,
    onStored: (userIds: ReadonlySet<string>) => void = () => {},
    watch: IngestWatch = NOBODY,
  ) {
    this.#watch = watch;
    this.#store = store;
    this.#bounds = bounds;
    this.#onStored = onStored;
    this.#lanes = Array.from({ length: store.lanes }, () => ({ waiting: [], isRunning: false }));
  }

  /** Events that wait or are being stored. */
  get waiting(): number {
    return this.#count;
  }

  /**
   * Stores an event; answers after the commit. Calls of one turn are stored in their order. Throws QUEUE_FULL,
   * DEADLINE_EXCEEDED when it has not been tried in time, EVENT_REFUSED, and what the store throws.
   */
  save(event: NewEvent, patience: Patience): Promise<Appended> {
    return new Promise<Appended>((resolve, reject) => {
      this.put(event, patience, (outcome) => {
        if (outcome instanceof HubError) reject(outcome);
        else resolve(outcome);
      });
    });
  }

  /** The same for one of many, which may share what they settle with. */
  put(event: NewEvent, patience: Patience, settle: Settle, place = 0): void {
    const { userId } = event;
    const own = this.#perUser.get(userId) ?? 0;
    // A user's own bound comes first: who sends too much is told so, and takes no room from others.
    const isFull = own >= this.#bounds.eventsPerUser;
    if (isFull || this.#count >= this.#bounds.events) {
      const full = isFull ? this.#full(`of user "${userId}"`, own) : this.#full("in all", this.#count);
      settle(full, event, place);
      return;
    }
    this.#perUser.set(userId, own + 1);
    this.#count++;
    const lane = this.#lanes[laneOf(userId, this.#lanes.length)] as Lane;
    const { deadline, signal } = patience;
    lane.waiting.push({ event, deadline, signal, settle, place });
    if (lane.isRunning) return;
    lane.isRunning = true;
    // What else comes in this turn goes along.
    setImmediate(() => this.#run(lane));
  }

  async #run(lane: Lane): Promise<void> {
    while (lane.waiting.length > 0) {
      const batch = this.#take(lane.waiting);
      const began = performance.now();
      if (batch.length > 0) await this.#flush(batch);
      this.#lastFlushMs = performance.now() - began;
    }
    lane.isRunning = false;
  }

  // From the front, without those that nobody waits for any more.
  #take(waiting: Waiting[]): Waiting[] {
    const batch: Waiting[] = [];
    const now = performance.now();
    // One for all: a caller who leaves may have hundreds of events here.
    let late: HubError | undefined;
    let bytes = 0;
    let at = 0;
    for (; at < waiting.length && batch.length < this.#store.batchEvents; at++) {
      const item = waiting[at] as Waiting;
      if (item.deadline <= now || item.signal.aborted) {
        late ??= new HubError(
          "DEADLINE_EXCEEDED",
          "the event was not stored within the time of the call; send it again",
        );
        this.#settle(item, late);
        continue;
      }
      bytes += item.event.body.length;
      if (batch.length > 0 && bytes > BATCH_BYTES) break;
      batch.push(item);
    }
    waiting.splice(0, at);
    return batch;
  }

  // A batch that one event spoils is halved until that one stands alone.
  async #flush(batch: readonly Waiting[]): Promise<void> {
    try {
      const began = performance.now();
      const outcomes = await this.#store.append(batch.map(({ event }) => event)).finally(() => {
        this.#watch.flushed(batch.length, (performance.now() - began) / 1000);
      });
      this.#onStored(new Set(batch.map(({ event }) => event.userId)));
      for (let at = 0; at < batch.length; at++) this.#settle(batch[at] as Waiting, outcomes[at] as Appended);
    } catch (error) {
      if (error instanceof HubError || batch.length === 1) {
        for (const item of batch) this.#settle(item, error instanceof HubError ? error : refused(error));
        return;
      }
      const middle = batch.length >> 1;
      await this.#flush(batch.slice(0, middle));
      await this.#flush(batch.slice(middle));
    }
  }

  #settle(item: Waiting, outcome: Appended | HubError): void {
    const { userId } = item.event;
    const own = (this.#perUser.get(userId) ?? 1) - 1;
    if (own === 0) this.#perUser.delete(userId);
    else this.#perUser.set(userId, own);
    this.#count--;
    this.#watch.settled(outcomeName(outcome));
    item.settle(outcome, item.event, item.place);
  }

  #full(of: string, waiting: number): HubError {
    this.#watch.settled("QUEUE_FULL");
    const flushes = Math.ceil(this.#count / (this.#store.batchEvents * this.#lanes.length));
    const wait = Math.min(Math.max(flushes * this.#lastFlushMs, RETRY_MIN_MS), RETRY_MAX_MS);
    // Not all at the same time.
    const retryAfterMs = Math.round(wait * (1 + Math.random()));
    return new HubError(
      "QUEUE_FULL",
      `${waiting} events ${of} wait to be stored, which is the bound; try again in ${retryAfterMs} ms`,
      {
        retryAfterMs,
        metadata: { waiting: String(waiting) },
      },
    );
  }
}

function outcomeName(outcome: Appended | HubError): string {
  if (outcome instanceof HubError) return outcome.reason;
  if (typeof outcome === "string") return outcome;
  return outcome.isRepeat ? "repeated" : "saved";
}

function refused(error: unknown): HubError {
  const why = error instanceof Error ? error.message : String(error);
  return new HubError("EVENT_REFUSED", `the database does not take the event: ${why}`, { cause: error });
}

function laneOf(userId: string, lanes: number): number {
  // FNV-1a. It has nothing of the bucket, so that the users of one database are spread over all lanes.
  let hash = 0x811c9dc5;
  for (let at = 0; at < userId.length; at++) hash = Math.imul(hash ^ userId.charCodeAt(at), 0x01000193);
  return (hash >>> 0) % lanes;
}
