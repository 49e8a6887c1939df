import type { KeyObject } from "node:crypto";
import type { EventImporter } from "./event-import.ts";
import type { EventPage, PageFrame } from "./event-page.ts";
import type { EventTable } from "./event-tables.ts";
import type { GoneEvent, GoneHistory, Signed } from "./history-records.ts";
import type { Appended, NewEvent, StoredEvent } from "./user-event.ts";

/** Which events of a user a page holds. */
export interface PageQuery extends PageFrame {
  /** Ids from this one on. */
  readonly fromId: string;
  /** Ids before this one. */
  readonly beforeId: string;
  /** Bytes of payloads at most; one event comes in any case. */
  readonly bytes: number;
  /** Whether what is left of an erased user is among them. */
  readonly hasRestricted?: boolean;
}

/** Where a user's history stands. */
export interface Head {
  /** The newest sequence; 0 when the user has no event. */
  readonly sequence: bigint;
  readonly hash: Buffer;
}

/** What keeps a user's data, whatever its retention or an erasure say. */
export interface LegalHold {
  readonly userId: string;
  /** Empty: all. */
  readonly dataTypes: readonly string[];
  readonly reason: string;
  /** A token's subject. */
  readonly author: string;
  /** In microseconds since 1970, by the database's clock. */
  readonly createTimeUs: bigint;
}

/** How the database is. */
export interface StoreStatus {
  /** "closed": nobody has asked for user data yet. "unfit": it can be reached, and must not be served. */
  readonly state: "closed" | "opening" | "open" | "unavailable" | "unfit";
  /** Why it is not open, for people, without any secret; empty when it is, or when nobody has asked. */
  readonly reason: string;
  /** What is known of it, by stable names, such as "storage" and "durability". */
  readonly facts: Readonly<Record<string, string>>;
}

/**
 * The events of some users in one database. Every method throws DATABASE_UNAVAILABLE when that is out of reach, and
 * DATABASE_UNFIT when it must not be served.
 */
export interface UserEventStore {
  readonly status: StoreStatus;
  /** Number of batches that are appended at a time to advantage, and events of one. */
  readonly lanes: number;
  readonly batchEvents: number;
  /**
   * Stores a batch as one transaction: all of it, or nothing when it throws. Each user's events are given sequences in
   * the order of the batch. What was there already, or stands twice in the batch, is not stored again. An error that is
   * no HubError is the fault of an event of the batch.
   */
  append(events: readonly NewEvent[]): Promise<readonly Appended[]>;
  /** Stores what calls with many events bring, where that is not better done through `append`. */
  readonly importer?: EventImporter | undefined;
  /** Newest ids first. */
  page(query: PageQuery): Promise<EventPage>;
  /**
   * Events of these tables after a sequence, in the order of sequences, as many as go into one message; what is left of an
   * erased user only with `hasRestricted`.
   */
  after(
    userId: string,
    tables: readonly EventTable[],
    sequence: bigint,
    hasRestricted?: boolean,
  ): Promise<readonly StoredEvent[]>;
  /** What is left of an erased user in these tables, after a sequence, as many as go into one record; else nothing. */
  restricted(userId: string, tables: readonly EventTable[], sequence: bigint): Promise<readonly GoneEvent[]>;
  /** Where users stand; one that has no event is not in the answer. */
  heads(userIds: readonly string[]): Promise<ReadonlyMap<string, Head>>;
  /** Number of a user's events in these tables; with `hasRestricted` as above. */
  count(userId: string, tables: readonly EventTable[], hasRestricted?: boolean): Promise<bigint>;
  /** The newest sequence that retention or an erasure has removed; 0 when none has been. */
  prunedUpTo(userId: string, dataTypes: readonly string[]): Promise<bigint>;
  /**
   * Records of what retention and erasures have removed, from after one on, as many as go into one message; `id` is
   * where to go on. None of `dataTypes`: all.
   */
  gone(
    userId: string,
    dataTypes: readonly string[],
    afterId: bigint,
  ): Promise<readonly { readonly id: bigint; readonly record: Signed<GoneHistory> }[]>;
  /** Sets a user's hold in place of the one that there is; the same again changes nothing. */
  setHold(hold: Omit<LegalHold, "createTimeUs">): Promise<LegalHold>;
  /** Takes a user's hold away, where there is one. */
  releaseHold(userId: string): Promise<void>;
  /** A secret of 32 bytes, the same for all hubs. */
  pageTokenKey(): Promise<KeyObject>;
  close(): Promise<void>;
}
