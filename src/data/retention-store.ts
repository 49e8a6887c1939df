import type { EventTable } from "./event-tables.ts";
import type { GoneEvent, GoneHistory, Signed } from "./history-records.ts";

/** The events of a table whose ids were made in one month. */
export interface EventMonth {
  readonly table: EventTable;
  /** The name of its partition, such as "user_trades_2026_01". */
  readonly partition: string;
  /** From this time on and before that, in milliseconds since 1970. */
  readonly fromMs: number;
  readonly endMs: number;
  /** What it takes on the disk. */
  readonly bytes: number;
}

/** A data type among all there are, by which legal holds are read. */
export interface HeldBy {
  readonly dataType: string;
  readonly dataTypes: readonly string[];
}

/** What a look at a month found: events that no hold keeps, and that one keeps; at most a million of each is counted. */
export interface MonthCount {
  readonly free: number;
  readonly held: number;
}

/** What became of a month that was to be removed. */
export type Pruned =
  /** `events` are gone, and the partition is unless held users' events are in it. */
  | { readonly events: number; readonly isGone: boolean }
  /** Somebody else has removed it. */
  | "missing"
  /** The records are not those of its events: holds have changed, or an erasure came between. */
  | "stale";

/**
 * The months of one database, and the way in which they go: records of their events are made one part after another,
 * each in a transaction of its own that is over soon, and then the events are removed in one. Several hubs may do this at
 * the same time; a part is made once. Methods throw DATABASE_UNAVAILABLE and DATABASE_UNFIT.
 */
export interface RetentionStore {
  /** Whether it has been used. One that has not is left alone: it takes time and memory to open. */
  isOpened(): boolean;
  /** All months, oldest first, and the database's time. */
  months(): Promise<{ readonly months: readonly EventMonth[]; readonly nowMs: number }>;
  /** The next events of a month that have no record and no hold; `after` is for `draft`. None: all have one. */
  undrafted(
    month: EventMonth,
    by: HeldBy,
  ): Promise<{
    readonly events: readonly (GoneEvent & { readonly userId: string })[];
    readonly after: string;
  }>;
  /** Keeps records of the events that `undrafted` gave. Nothing when somebody else has done so in between. */
  draft(month: EventMonth, after: string, records: readonly Signed<GoneHistory>[]): Promise<void>;
  /** Lets go of the records of a month, so that they are made anew. */
  forget(month: EventMonth): Promise<void>;
  /** Removes the events of a month that have records, when those are all that no hold keeps. */
  prune(month: EventMonth, by: HeldBy): Promise<Pruned>;
  /** Counts the events of a month. */
  count(month: EventMonth, by: HeldBy): Promise<MonthCount>;
}
