import type { EventTable } from "./event-tables.ts";
import type { GoneEvent, GoneHistory, Signed } from "./history-records.ts";
import type { LegalHold } from "./user-event-store.ts";

/** Whom an erasure is about, who asked for it, and why. */
export interface ErasureOrder {
  readonly userId: string;
  readonly reason: string;
  /** A token's subject. */
  readonly author: string;
}

/** What an erasure did to events of one data type. Times are in microseconds since 1970, by the database's clock. */
export interface ErasureOutcome {
  readonly dataType: string;
  readonly action: "ERASED" | "RESTRICTED";
  readonly events: bigint;
  /** RESTRICTED: after which the last of them may go; undefined: a hold, or a rule, has no end. */
  readonly untilUs: bigint | undefined;
  /** RESTRICTED: the rules that keep them, or "legal hold". */
  readonly heldBy: readonly string[];
}

/** What is restricted, and when to look again whether it may go; undefined: when a hold has ended. */
export type Restricted = ErasureOutcome & { readonly nextUs: bigint | undefined };

/** How long floors keep the events of a table. */
export interface TableFloor {
  readonly table: EventTable;
  readonly dataType: string;
  /** In microseconds from when an event was stored; undefined: for ever. */
  readonly keepUs: bigint | undefined;
}

/** What a table has of a user. */
export interface TableFound {
  readonly events: bigint;
  /** Those that no floor keeps any more; holds are not considered. */
  readonly free: bigint;
  /** When the oldest that a floor keeps was stored, and the newest of all. */
  readonly firstKeptUs: bigint | undefined;
  readonly lastUs: bigint | undefined;
}

/** What a user has. */
export interface Found {
  readonly nowUs: bigint;
  readonly hold: Pick<LegalHold, "dataTypes"> | undefined;
  readonly tables: ReadonlyMap<EventTable, TableFound>;
  /** What erasures have removed before. */
  readonly erased: readonly ErasureOutcome[];
}

/** What the outbox of the hub is told of an erased user. */
export interface Tombstones {
  /** Topics whose waiting records of the user are still sent: a floor names them. */
  readonly keptTopics: readonly string[];
  /** Compacted topics, with the data type that goes to each. */
  readonly compacted: readonly {
    readonly topic: string;
    readonly dataType: string;
    readonly table: EventTable;
  }[];
}

/**
 * Erases users in one database. Each method is one transaction, which waits for legal holds that are being set and for
 * retention. Methods throw DATABASE_UNAVAILABLE and DATABASE_UNFIT.
 */
export interface ErasureStore {
  /** Whether it is in use. One that is not is left alone: it takes time and memory to open. */
  isOpened(): boolean;
  /**
   * Erases a user for all others: from then on nothing is saved, and nothing is read without leave. What waits to be sent
   * is taken back, and compacted topics get their tombstones.
   */
  mark(order: ErasureOrder, tables: readonly TableFloor[], tombstones: Tombstones): Promise<void>;
  /**
   * Tells what a user has. `judge` says what is to be noted as restricted, in place of what there is; undefined: nothing is
   * noted. It may be called more than once.
   */
  look<Result>(
    order: ErasureOrder,
    tables: readonly TableFloor[],
    judge: (found: Found) => { readonly noted: readonly Restricted[] | undefined; readonly result: Result },
  ): Promise<Result>;
  /**
   * Removes the next events of a table that no floor keeps, as many as go into one record, and notes that. `sign` is given
   * the hold and what goes, and signs nothing when the hold keeps it. Returns how many went.
   */
  remove(
    order: ErasureOrder,
    table: TableFloor & { readonly keepUs: bigint },
    sign: (
      hold: Found["hold"],
      events: readonly GoneEvent[],
      nowUs: bigint,
    ) => readonly Signed<GoneHistory>[],
  ): Promise<number>;
  /** Users after another, in order, some of whose restricted events may have to go by now. `dataTypes` are all there are. */
  due(afterUserId: string, dataTypes: readonly string[]): Promise<readonly ErasureOrder[]>;
}
