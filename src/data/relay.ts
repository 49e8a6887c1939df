import { setTimeout as sleep } from "node:timers/promises";
import type {
  EventPublisher,
  Outbox,
  OutboxEvent,
  OutboxLag,
  OutboxLane,
  OutboxOrphan,
  PublishFailure,
} from "./outbox.ts";
import { RelayTroubles, type Trouble } from "./relay-troubles.ts";

/** What a relay tells of itself. */
export interface RelayStatus {
  /** The shards that this hub sends. */
  readonly shards: readonly number[];
  /** How much waited at the last count; undefined: not counted yet. */
  readonly lag: OutboxLag | undefined;
  /** What is not sent for now, and why. */
  readonly troubles: readonly Trouble[];
  /** By shard what was not taken last, with its topic, since this hub runs. */
  readonly lastErrors: ReadonlyMap<number, { readonly reason: string; readonly at: number }>;
  /** Why the outbox cannot be read; empty when it can. */
  readonly reason: string;
  /** Rows that were removed because their events are gone. */
  readonly orphans: number;
}

/** What becomes of things, for the hub's log. */
export interface RelayListener {
  /** A topic, or one user's event, is not sent for now. Not called again for each retry. */
  onTrouble(topic: string, userId: string | undefined, reason: string): void;
  /** There was nothing left to send. */
  onOrphans(orphans: readonly OutboxOrphan[]): void;
}

/** Times in milliseconds. */
export interface RelayTimes {
  /** Between two looks at the outbox when nobody says that something is in it. */
  readonly pollMs: number;
  /** Between two looks in any case: what comes meanwhile goes together. */
  readonly restMs: number;
  readonly claimMs: number;
  readonly lagMs: number;
}

const TIMES: RelayTimes = { pollMs: 250, restMs: 10, claimMs: 1_000, lagMs: 5_000 };
/** Bytes of payloads that are on their way at a time; what one look brings may come on top. */
const IN_FLIGHT_BYTES = 16 * 1024 * 1024;
/** Counting takes about this share of the time, and what was counted is never older than that. */
const LAG_SHARE = 0.05;
const LAG_MAX_MS = 15_000;
const STOP_MS = 5_000;

/**
 * Sends what is in an outbox to its topics. Each event is sent at least once: its row goes only when its topic has it. For a
 * user and a topic the order is that of sequences. There is no cursor, so what commits late is not passed over. A batch of
 * each shard and topic is on its way at a time, and what one of them does not take holds up no other.
 */
export class Relay {
  readonly #outbox: Outbox;
  readonly #publisher: EventPublisher;
  readonly #listener: RelayListener;
  readonly #times: RelayTimes;
  readonly #troubles = new RelayTroubles();
  readonly #lastErrors = new Map<number, { readonly reason: string; readonly at: number }>();
  readonly #lanes = new Map<string, OutboxLane>();
  readonly #sending = new Set<Promise<void>>();
  readonly #stopped = new AbortController();
  readonly #running: Promise<unknown>;
  #shards: ReadonlySet<number> = new Set();
  #claimedAt = Number.NEGATIVE_INFINITY;
  #bytes = 0;
  #isWoken = false;
  #wake = (): void => {};
  #lag: OutboxLag | undefined;
  #reason = "";
  #orphans = 0;

  constructor(
    outbox: Outbox,
    publisher: EventPublisher,
    listener: RelayListener,
    times: Partial<RelayTimes> = {},
  ) {
    this.#outbox = outbox;
    this.#publisher = publisher;
    this.#listener = listener;
    this.#times = { ...TIMES, ...times };
    this.#running = Promise.all([this.#run(), this.#count()]);
  }

  get status(): RelayStatus {
    return {
      shards: [...this.#shards].sort((a, b) => a - b),
      lag: this.#lag,
      troubles: this.#troubles.all,
      lastErrors: this.#lastErrors,
      reason: this.#reason,
      orphans: this.#orphans,
    };
  }

  /** Something may be new in the outbox. */
  wake(): void {
    this.#isWoken = true;
    this.#wake();
  }

  /** Begins nothing new, waits a moment for what is on its way, and lets other hubs go on. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    this.wake();
    const ended = this.#running.then(() => Promise.all(this.#sending));
    await Promise.race([ended, sleep(STOP_MS, undefined, { ref: false })]);
    await this.#outbox.close();
  }

  async #run(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      this.#isWoken = false;
      try {
        await this.#round();
        this.#reason = "";
      } catch (error) {
        this.#reason = error instanceof Error ? error.message : String(error);
        // Claims are asked for again before anything is sent.
        this.#shards = new Set();
        this.#claimedAt = Number.NEGATIVE_INFINITY;
        this.#isWoken = false;
      }
      await this.#pause(this.#times.restMs);
      if (!this.#isWoken) await this.#rest();
    }
  }

  async #round(): Promise<void> {
    const now = performance.now();
    if (now - this.#claimedAt >= this.#times.claimMs) {
      this.#shards = await this.#outbox.claim();
      this.#claimedAt = now;
    }
    if (this.#shards.size === 0 || this.#bytes >= IN_FLIGHT_BYTES) return;
    const skipped = { lanes: [...this.#lanes.values()], ...this.#troubles.skipped };
    const { events, orphans } = await this.#outbox.next(this.#shards, skipped);
    if (this.#stopped.signal.aborted) return;
    await this.#drop(orphans);
    for (const batch of Map.groupBy(events, laneOf).values()) this.#start(batch);
  }

  #start(batch: readonly OutboxEvent[]): void {
    const [{ shard, topic }] = batch as [OutboxEvent];
    const bytes = batch.reduce((sum, { body }) => sum + (body?.length ?? 0), 0);
    const lane = laneOf({ shard, topic });
    this.#lanes.set(lane, { shard, topic });
    this.#bytes += bytes;
    const sending = this.#send(shard, topic, batch).finally(() => {
      this.#lanes.delete(lane);
      this.#bytes -= bytes;
      this.#sending.delete(sending);
      this.wake();
    });
    this.#sending.add(sending);
  }

  async #send(shard: number, topic: string, batch: readonly OutboxEvent[]): Promise<void> {
    const outcomes = await this.#publisher.publish(topic, batch);
    const sent: string[] = [];
    const refused = new Map<string, PublishFailure>();
    for (const [index, { id, userId }] of batch.entries()) {
      const failure = outcomes[index];
      if (failure) {
        if (!refused.has(userId)) refused.set(userId, failure);
        continue;
      }
      sent.push(id);
      this.#troubles.sent(topic, userId);
    }
    for (const [userId, failure] of refused) {
      this.#lastErrors.set(shard, { reason: `${topic}: ${failure.reason}`, at: Date.now() });
      if (!this.#troubles.failed(topic, userId, failure)) continue;
      this.#listener.onTrouble(topic, failure.isOfTopic ? undefined : userId, failure.reason);
    }
    // What cannot be removed now is sent once more, which is allowed; what was not sent stays.
    if (sent.length > 0) await this.#outbox.remove({ shard, topic }, sent).catch(() => {});
  }

  async #drop(orphans: readonly OutboxOrphan[]): Promise<void> {
    if (orphans.length === 0) return;
    for (const rows of Map.groupBy(orphans, laneOf).values()) {
      const ids = rows.map(({ id }) => id);
      await this.#outbox.remove(rows[0] as OutboxOrphan, ids);
    }
    this.#orphans += orphans.length;
    this.#listener.onOrphans(orphans);
  }

  async #count(): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      const began = performance.now();
      // What was counted last stands until it can be counted again: the age of the rest is told by `reason`.
      this.#lag = await this.#outbox.lag().catch(() => this.#lag);
      const tookMs = performance.now() - began;
      await this.#pause(Math.max(this.#times.lagMs, Math.min(tookMs / LAG_SHARE, LAG_MAX_MS)));
    }
  }

  async #rest(): Promise<void> {
    const rung = new AbortController();
    this.#wake = () => rung.abort();
    await this.#pause(this.#times.pollMs, rung.signal);
    this.#wake = () => {};
  }

  async #pause(ms: number, also?: AbortSignal): Promise<void> {
    const { signal: stopped } = this.#stopped;
    const signal = also ? AbortSignal.any([stopped, also]) : stopped;
    await sleep(ms, undefined, { signal, ref: false }).catch(() => {});
  }
}

function laneOf({ shard, topic }: OutboxLane): string {
  return `${shard} ${topic}`;
}
