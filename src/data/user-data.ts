import { bucketOf } from "./buckets.ts";
import type { DataRouter } from "./data-router.ts";
import { eventIdFloor, LAST_EVENT_ID } from "./event-id.ts";
import type { EventImporter } from "./event-import.ts";
import type { EventPage } from "./event-page.ts";
import { Ingest, type IngestBounds, type IngestWatch, NOBODY, type Patience } from "./ingest.ts";
import { type GivenEvent, Intake, type Saved } from "./intake.ts";
import { openPageToken, sealPageToken } from "./page-token.ts";
import type { LegalHold, UserEventStore } from "./user-event-store.ts";
import { checkUserId } from "./user-id.ts";
import { type Tail, tailOf } from "./user-tail.ts";
import { UserTails } from "./user-tails.ts";

/** Which page of a user's data is wanted. Times are in milliseconds since 1970; undefined: no bound. */
export interface Wanted {
  readonly userId: string;
  readonly dataType: string;
  /** Number of events; 0: 100. */
  readonly pageSize: number;
  /** From the page before; empty for the first. */
  readonly pageToken: string;
  readonly afterMs: number | undefined;
  readonly beforeMs: number | undefined;
  /** Whether the caller may see what is left of an erased user. */
  readonly hasRestricted: boolean;
}

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1000;
/** Bytes of payloads in one answer: gRPC clients take messages of 4 MiB, and a payload may be in one twice. */
export const ANSWER_BYTES = 1024 * 1024;

interface Part {
  readonly store: UserEventStore;
  readonly ingest: Ingest;
}

/** Saves and returns the events of users. Whose data a caller may touch has been decided before. */
export class UserData {
  readonly router: DataRouter;
  readonly #parts: readonly Part[];
  readonly #partOf: (bucket: number) => number;
  readonly #tails: UserTails;
  readonly #intake: Intake;

  /** `storeOf` says which of the stores has a bucket. */
  constructor(
    router: DataRouter,
    stores: readonly UserEventStore[],
    storeOf: (bucket: number) => number,
    bounds: IngestBounds,
    watch: IngestWatch = NOBODY,
  ) {
    this.router = router;
    this.#partOf = storeOf;
    this.#tails = new UserTails(
      (userId) => this.#of(userId).store,
      (isFollowed) => this.importer?.follow(isFollowed),
    );
    const batches = stores.reduce((sum, { lanes, batchEvents }) => sum + lanes * batchEvents, 0);
    this.#intake = new Intake(router, (userId) => this.#of(userId).ingest, batches);
    this.#parts = stores.map((store) => ({
      store,
      ingest: new Ingest(store, bounds, (userIds) => this.#tails.wake(userIds), watch),
    }));
    const { flushed, settled } = watch;
    this.importer?.tell({ flushed, settled, stored: (userIds) => this.#tails.wake(userIds) });
  }

  /** The databases. */
  get stores(): readonly UserEventStore[] {
    return this.#parts.map(({ store }) => store);
  }

  /** Events that wait to be stored. */
  get waiting(): number {
    return this.#parts.reduce((sum, { ingest }) => sum + ingest.waiting, this.importer?.waiting ?? 0);
  }

  /** Open live tails. */
  get followers(): number {
    return this.#tails.followers;
  }

  /** What stores the events of calls with many; undefined: `saveAll` does, as several databases or a server's have it. */
  get importer(): EventImporter | undefined {
    return this.#parts.length === 1 ? this.#parts[0]?.store.importer : undefined;
  }

  /** Stores an event, and answers after the commit. */
  save(given: GivenEvent, patience: Patience): Promise<Saved> {
    return this.#intake.save(given, patience);
  }

  /** Stores the events of a call, as Intake does. */
  saveAll(
    all: readonly GivenEvent[],
    admit: (userId: string) => void,
    patience: Patience,
  ): Promise<readonly (Saved | Error)[]> {
    return this.#intake.saveAll(all, admit, patience);
  }

  /** A page of a user's events of one data type, newest first. */
  async page(wanted: Wanted): Promise<{ page: EventPage; nextPageToken: string }> {
    const { dataType, pageSize, pageToken, afterMs, beforeMs, hasRestricted } = wanted;
    const userId = checkUserId(wanted.userId);
    const { table } = this.router.ofDataType(dataType);
    const query = {
      userId,
      dataType,
      fromId: afterMs === undefined ? eventIdFloor(0) : eventIdFloor(afterMs),
      beforeId: beforeMs === undefined ? LAST_EVENT_ID : eventIdFloor(beforeMs),
    };
    const { store } = this.#of(userId);
    const key = await store.pageTokenKey();
    const beforeId = pageToken === "" ? query.beforeId : openPageToken(key, query, pageToken);
    const events = Math.min(pageSize || PAGE_DEFAULT, PAGE_MAX);
    const page = await store.page({ ...query, table, beforeId, events, bytes: ANSWER_BYTES, hasRestricted });
    return { page, nextPageToken: page.isMore ? sealPageToken(key, query, page.lastId) : "" };
  }

  /**
   * A user's events as they are stored, each once, from after a sequence on; undefined: from now on. Ends when the
   * signal is aborted. `hasRestricted`: also what is left of an erased user. Throws HISTORY_GONE when events after the
   * position have been removed.
   */
  async *watch(
    userId: string,
    dataTypes: readonly string[],
    afterSequence: bigint | undefined,
    hasRestricted: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<Tail> {
    const store = this.storeOf(userId);
    const tables = this.router.tablesOf(dataTypes);
    yield* tailOf(store, this.#tails, { userId, dataTypes, tables, afterSequence, hasRestricted }, signal);
  }

  /** Sets a user's legal hold. Throws UNKNOWN_DATA_TYPE. */
  async setHold(hold: Omit<LegalHold, "createTimeUs">): Promise<LegalHold> {
    for (const dataType of hold.dataTypes) this.router.ofDataType(dataType, "data_types");
    // In one order, so that the same hold is the same.
    return await this.storeOf(hold.userId).setHold({ ...hold, dataTypes: hold.dataTypes.toSorted() });
  }

  /** Takes a user's legal hold away. */
  async releaseHold(userId: string): Promise<void> {
    await this.storeOf(userId).releaseHold(userId);
  }

  /** Ends what runs by itself; what waits to be stored is answered first. */
  async close(): Promise<void> {
    this.#tails.stop();
    await Promise.all(this.#parts.map(({ store }) => store.close()));
  }

  /** The database that has a user. Throws INVALID_REQUEST. */
  storeOf(userId: string): UserEventStore {
    return this.#of(checkUserId(userId)).store;
  }

  #of(userId: string): Part {
    const at = this.#parts.length === 1 ? 0 : this.#partOf(bucketOf(userId));
    return this.#parts[at] as Part;
  }
}
