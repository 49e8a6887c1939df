import type { EventTable } from "./event-tables.ts";

/** An event that is still to be sent to a topic, or a tombstone that takes a user out of a compacted one. */
export interface OutboxEvent {
  /** Its row. For one user and one topic the order of ids is that of sequences and of commits. */
  readonly id: string;
  /** 0 to 15, by the user's bucket. */
  readonly shard: number;
  readonly topic: string;
  readonly userId: string;
  readonly eventId: string;
  readonly eventType: string;
  readonly dataType: string;
  readonly table: EventTable;
  /** Its place among all of the user's events, from 1. */
  readonly sequence: bigint;
  /** When it was stored, in microseconds since 1970. */
  readonly recordTimeUs: bigint;
  /** Its hash in the user's chain; empty for a tombstone. */
  readonly hash: Buffer;
  /** Undefined: a tombstone. */
  readonly body: Buffer | undefined;
}

/** A row whose event has been removed by retention or an erasure: there is nothing left to send. */
export type OutboxOrphan = Pick<OutboxEvent, "id" | "shard" | "topic" | "userId" | "eventId">;

/** Rows that are sent one batch after the other. */
export interface OutboxLane {
  readonly shard: number;
  readonly topic: string;
}

/** What is left out of a look at the outbox. */
export interface Skipped {
  /** Of which a batch is on its way. */
  readonly lanes: readonly OutboxLane[];
  readonly topics: readonly string[];
  /** Users whose event a topic does not take. */
  readonly users: readonly { readonly topic: string; readonly userId: string }[];
}

/** How much waits. */
export interface Lag {
  /** Counted up to some 100,000 of a shard. */
  readonly rows: number;
  /** Age of the oldest row, in milliseconds; 0 when there is none. */
  readonly oldestMs: number;
}

/** How much waits in an outbox, and in each of its shards. */
export interface OutboxLag extends Lag {
  readonly shards: readonly ShardLag[];
}

/** A shard of an outbox. */
export interface ShardLag extends Lag {
  readonly shard: number;
  /** The hub that sends it, as host and process id; empty: none. */
  readonly holder: string;
}

/** The outbox of one database. Every method throws when that is out of reach. */
export interface Outbox {
  /**
   * Takes what it can of the shards for this hub alone, and tells which it has. What a hub has had is free as soon as its
   * session has ended. Called about once a second: that is also how a session that was lost is noticed.
   */
  claim(): Promise<ReadonlySet<number>>;
  /** For each shard and topic the first rows in their order, as many as go into a batch. */
  next(
    shards: ReadonlySet<number>,
    skipped: Skipped,
  ): Promise<{ readonly events: readonly OutboxEvent[]; readonly orphans: readonly OutboxOrphan[] }>;
  /** Removes rows of one shard and topic: they have been sent. */
  remove(lane: OutboxLane, ids: readonly string[]): Promise<void>;
  lag(): Promise<OutboxLag>;
  /** Lets others have the shards. */
  close(): Promise<void>;
}

/** Why an event was not taken. */
export interface PublishFailure {
  /** For people, without any secret. */
  readonly reason: string;
  /** Whether the topic, or the way to it, is at fault; otherwise this event is. */
  readonly isOfTopic: boolean;
}

/** Sends events to topics. */
export interface EventPublisher {
  /**
   * Sends events to one topic in their order and tells of each whether the topic has it safely; undefined: it has. Of a user
   * none is sent after one that was not taken. Ends within a bounded time, and never throws.
   */
  publish(topic: string, events: readonly OutboxEvent[]): Promise<readonly (PublishFailure | undefined)[]>;
  close(): Promise<void>;
}
