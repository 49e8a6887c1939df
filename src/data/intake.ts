import { setImmediate as turn } from "node:timers/promises";
import { HubError } from "../errors.ts";
import type { DataRouter } from "./data-router.ts";
import { type GivenBody, givenBody } from "./event-body.ts";
import { givenEventId, newEventId } from "./event-id.ts";
import type { Ingest, Patience, Settle } from "./ingest.ts";
import { refusal } from "./refusal.ts";
import { digestOf } from "./sha256.ts";
import type { Appended, NewEvent } from "./user-event.ts";
import { checkUserId } from "./user-id.ts";

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

/** Events of a call that are taken in before other calls get a turn. */
const EVENTS_PER_TURN = 16;

/** Takes events in: finds where they go, checks them, and has them stored. */
export class Intake {
  readonly #router: Pick<DataRouter, "ofEventType">;
  readonly #ingestOf: (userId: string) => Ingest;
  /**
   * Events of one call that are on their way at a time: a batch that each lane stores, and one that it takes next. More
   * would only be carried along by each garbage collection until it is their turn.
   */
  readonly #eventsAhead: number;

  /** `ingestOf` says where a user's events wait; `batches` is how many events all of that has in batches at a time. */
  constructor(
    router: Pick<DataRouter, "ofEventType">,
    ingestOf: (userId: string) => Ingest,
    batches: number,
  ) {
    this.#router = router;
    this.#ingestOf = ingestOf;
    this.#eventsAhead = 2 * batches;
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
    const { dataType, table, topic, stateTopic } = this.#router.ofEventType(given.eventType);
    const isIdGiven = given.eventId !== "";
    const eventId = isIdGiven ? givenEventId(given.eventId) : newEventId();
    const body = givenBody(given);
    const { eventType } = given;
    const bodySha256 = digestOf(body);
    this.#ingestOf(userId).put(
      { userId, eventId, isIdGiven, eventType, dataType, table, topic, stateTopic, body, bodySha256 },
      patience,
      settle,
      place,
    );
  }
}

function resultOf(outcome: Appended | HubError, { userId, eventId, dataType }: NewEvent): Saved | HubError {
  if (outcome instanceof HubError) return outcome;
  if (typeof outcome === "string") return refusal(outcome, userId, eventId);
  return { eventId, dataType, recordTimeUs: outcome.recordTimeUs, sequence: outcome.sequence };
}
