import { eventDigest } from "./event-hash.ts";
import type { Digest } from "./sha256.ts";
import { type Appended, type NewEvent, NO_HASH } from "./user-event.ts";

/** What is known of an event that was stored before. */
export interface Known {
  readonly eventType: string;
  readonly bodySha256: Digest;
  readonly recordTimeUs: bigint;
  readonly sequence: bigint;
}

/** An event with its place in its user's chain. */
export interface Placed {
  readonly event: NewEvent;
  readonly sequence: bigint;
  readonly previousHash: Digest;
  readonly hash: Digest;
}

/** Where a user stands. */
export interface PlannedHead {
  readonly sequence: bigint;
  readonly hash: Digest;
}

/** The same, and whether anything more may be stored. */
export type LockedHead = PlannedHead & { readonly isErased: boolean };

const FIRST: PlannedHead = { sequence: 0n, hash: NO_HASH.toString("latin1") };

/** What a batch comes to. */
export interface AppendPlan {
  /** The events that are new, in the order of the batch. */
  readonly placed: readonly Placed[];
  /** Where the users of the new events stand then. */
  readonly heads: ReadonlyMap<string, PlannedHead>;
  /** What became of each event of the batch, in its order. */
  readonly outcomes: readonly Appended[];
}

/** The key of an event among those of all users: an id is one user's own. */
export function eventKey(userId: string, eventId: string): string {
  // Ids of events have one length, so no two pairs give the same text.
  return eventId + userId;
}

/**
 * Gives each new event of a batch its place. `heads` are locked, `known` has the events of the batch that are stored
 * already by eventKey, and `recordTimeUs` is the database's time after the lock.
 */
export function planAppend(
  events: readonly NewEvent[],
  heads: ReadonlyMap<string, LockedHead>,
  known: ReadonlyMap<string, Known>,
  recordTimeUs: bigint,
): AppendPlan {
  const placed: Placed[] = [];
  const outcomes: Appended[] = [];
  const newHeads = new Map<string, PlannedHead>();
  const seen = new Map(known);
  for (const event of events) {
    const { userId, eventId, eventType, bodySha256 } = event;
    const locked = heads.get(userId);
    if (locked?.isErased) {
      outcomes.push("erased");
      continue;
    }
    // An id that the hub has made is nowhere else, unless an earlier try has stored it.
    const key = event.isIdGiven || known.size > 0 ? eventKey(userId, eventId) : undefined;
    const earlier = key === undefined ? undefined : seen.get(key);
    if (earlier) {
      const isSame = earlier.eventType === eventType && earlier.bodySha256 === bodySha256;
      outcomes.push(
        isSame
          ? { recordTimeUs: earlier.recordTimeUs, sequence: earlier.sequence, isRepeat: true }
          : "conflict",
      );
      continue;
    }
    const head = newHeads.get(userId) ?? locked ?? FIRST;
    const sequence = head.sequence + 1n;
    const hash = eventDigest(event, sequence, recordTimeUs, bodySha256, head.hash);
    const place: Placed = { event, sequence, previousHash: head.hash, hash };
    placed.push(place);
    newHeads.set(userId, place);
    if (key !== undefined) seen.set(key, { eventType, bodySha256, recordTimeUs, sequence });
    outcomes.push({ recordTimeUs, sequence });
  }
  return { placed, heads: newHeads, outcomes };
}
