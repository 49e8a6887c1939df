import { setImmediate as turn } from "node:timers/promises";
import { HubError } from "../errors.ts";
import { bucketOf } from "./buckets.ts";
import type { DataRouter } from "./data-router.ts";
import { type GivenBody, givenBody } from "./event-body.ts";
import { eventIdFloor, givenEventId, LAST_EVENT_ID, newEventId } from "./event-id.ts";
import type { EventPage } from "./event-page.ts";
import { Ingest, type IngestBounds, type IngestWatch, type Patience, type Settle } from "./ingest.ts";
import { openPageToken, sealPageToken } from "./page-token.ts";
import { refusal } from "./refusal.ts";
import { digestOf } from "./sha256.ts";
import type { Appended, NewEvent } from "./user-event.ts";
import type { LegalHold, UserEventStore } from "./user-event-store.ts";
import { isUserId } from "./user-id.ts";
import { type Tail, tailOf } from "./user-tail.ts";
import { UserTails } from "./user-tails.ts";

/** An event as it came. */
export interface GivenEvent extends GivenBody {
  readonly userId: string;
  readonly eventType: string;
  /** Empty: the hub makes one. */
  readonly eventId: string;
}

/** A stored event, for its sender. */
export interface Saved {
  readonly eventId: string;
  readonly dataType: string;
  readonly recordTimeUs: bigint;
  readonly sequence: bigint;
}

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
/** Events of a call that are taken in before other calls get a turn. */
const EVENTS_PER_TURN = 16;

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
  /**
   * Events of one call that are on their way at a time: a batch that each lane stores, and one that it takes next. More
   * would only be carried along by each garbage collection until it is their turn.
   */
  readonly #eventsAhead: number;

  /** `storeOf` says which of the stores has a bucket. */
  constructor(
    router: DataRouter,
    stores: readonly UserEventStore[],
    storeOf: (bucket: number) => number,
    bounds: IngestBounds,
    watch?: IngestWatch,
  ) {
    this.router = router;
    this.#partOf = storeOf;
    this.#tails = new UserTails((userId) => this.#of(userId).store);
    this.#eventsAhead = stores.reduce((sum, { lanes, batchEvents }) => sum + 2 * lanes * batchEvents, 0);
    this.#parts = stores.map((store) => ({
      store,
      ingest: new Ingest(store, bounds, (userIds) => this.#tails.wake(userIds), watch),
    }));
  }

  /** The databases. */
  get stores(): readonly UserEventStore[] {
    return this.#parts.map(({ store }) => store);
  }

  /** Events that wait to be stored. */
  get waiting(): number {
    return this.#parts.reduce((sum, { ingest }) => sum + ingest.waiting, 0);
  }

  /** Open live tails. */
  get followers(): number {
    return this.#tails.followers;
  }

  /** Stores an event, and answers after the commit. */
  save(given: GivenEvent, patience: Patience): Promise<Saved> {
    return new Promise((resolve, reject) => {
      this.#put(given, patience, (outcome, event) => {
        const result = resultOf(outcome, event);
        if (result instanceof Error) reject(result);
        else resolve(result);
      });
    });
  }

  /**
   * Stores events, and answers after the last commit with what became of each, in their order: one bad event does not
   * fail the others. `admit` throws for a user that the caller may not act for.
   */
  async saveAll(
    all: readonly GivenEvent[],
    admit: (userId: string) => void,
    patience: Patience,
  ): Promise<readonly (Saved | Error)[]> {
    const results = new Array<Saved | Error>(all.length);
    let settled = 0;
    let wanted = Number.POSITIVE_INFINITY;
    let wake = (): void => {};
    const settle = (result: Saved | Error, at: number): void => {
      results[at] = result;
      settled += 1;
      if (settled >= wanted) wake();
    };
    const settleEvent: Settle = (outcome, event, at) => settle(resultOf(outcome, event), at);
    const untilSettled = (number: number): Promise<void> | undefined => {
      if (settled >= number) return;
      wanted = number;
      return new Promise((resolve) => {
        wake = resolve;
      });
    };
    for (let at = 0; at < all.length; at++) {
      const given = all[at] as GivenEvent;
      // None waits for the one before, but other calls get their turn in between.
      if (at > 0 && at % EVENTS_PER_TURN === 0) await turn();
      if (at - settled >= this.#eventsAhead) await untilSettled(at + 1 - this.#eventsAhead);
      try {
        admit(given.userId);
        this.#put(given, patience, settleEvent, at);
      } catch (error) {
        settle(error as Error, at);
      }
    }
    await untilSettled(all.length);
    return results;
  }

  #put(given: GivenEvent, patience: Patience, settle: Settle, place = 0): void {
    const userId = checkUserId(given.userId);
    const { dataType, table, topic, stateTopic } = this.router.ofEventType(given.eventType);
    const isIdGiven = given.eventId !== "";
    const eventId = isIdGiven ? givenEventId(given.eventId) : newEventId();
    const body = givenBody(given);
    const { eventType } = given;
    const bodySha256 = digestOf(body);
    this.#of(userId).ingest.put(
      { userId, eventId, isIdGiven, eventType, dataType, table, topic, stateTopic, body, bodySha256 },
      patience,
      settle,
      place,
    );
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

function resultOf(outcome: Appended | HubError, { userId, eventId, dataType }: NewEvent): Saved | HubError {
  if (outcome instanceof HubError) return outcome;
  if (typeof outcome === "string") return refusal(outcome, userId, eventId);
  return { eventId, dataType, recordTimeUs: outcome.recordTimeUs, sequence: outcome.sequence };
}

function checkUserId(userId: string): string {
  if (!isUserId(userId)) {
    throw new HubError(
      "INVALID_REQUEST",
      "user_id: must be 1 to 128 characters, none of them a control character",
    );
  }
  return userId;
}
