import { setTimeout as sleep } from "node:timers/promises";
import { HubError } from "../errors.ts";
import type { EventTable } from "./event-tables.ts";
import type { StoredEvent } from "./user-event.ts";
import type { UserEventStore } from "./user-event-store.ts";
import type { UserTails } from "./user-tails.ts";

/** Events of a live tail, and the position to come back to. */
export interface Tail {
  readonly events: readonly StoredEvent[];
  readonly sequence: bigint;
}

/** What is followed. */
export interface Followed {
  readonly userId: string;
  readonly dataTypes: readonly string[];
  /** Those of the data types. */
  readonly tables: readonly EventTable[];
  /** Events after it; undefined: those that are stored from now on. */
  readonly afterSequence: bigint | undefined;
  /** Whether what is left of an erased user is among them. */
  readonly hasRestricted: boolean;
}

const HEARTBEAT_MS = 15_000;

/** A user's events as they are stored, each once and in order, until the signal is aborted. Throws HISTORY_GONE. */
export async function* tailOf(
  store: UserEventStore,
  tails: UserTails,
  { userId, dataTypes, tables, afterSequence, hasRestricted }: Followed,
  signal: AbortSignal,
): AsyncGenerator<Tail> {
  const headOf = async (): Promise<bigint> => (await store.heads([userId])).get(userId)?.sequence ?? 0n;
  let isWoken = true;
  let wake = (): void => {};
  const unfollow = tails.follow(userId, () => {
    isWoken = true;
    wake();
  });
  try {
    let position = afterSequence ?? (await headOf());
    if (afterSequence !== undefined && afterSequence > 0n)
      await checkPosition(store, userId, dataTypes, position);
    // The first message comes at once, so that the caller knows the position.
    for (let isFirst = true; !signal.aborted; ) {
      isWoken = false;
      const head = await headOf();
      let isSent = false;
      while (position < head && !signal.aborted) {
        const events = await store.after(userId, tables, position, hasRestricted);
        const last = events.at(-1);
        // Nothing more of these data types up to the head that was seen before the look.
        position = last && last.sequence > position ? last.sequence : head;
        yield { events, sequence: position };
        isSent = true;
        if (!last) break;
      }
      if (!isSent && isFirst) yield { events: [], sequence: position };
      isFirst = false;
      if (isWoken || signal.aborted) continue;
      const ring = new AbortController();
      wake = () => ring.abort();
      const either = AbortSignal.any([signal, ring.signal]);
      const isQuiet = await sleep(HEARTBEAT_MS, true, { signal: either, ref: false }).catch(() => false);
      wake = () => {};
      if (isQuiet) yield { events: [], sequence: position };
    }
  } finally {
    unfollow();
  }
}

async function checkPosition(
  store: UserEventStore,
  userId: string,
  dataTypes: readonly string[],
  position: bigint,
): Promise<void> {
  const pruned = await store.prunedUpTo(userId, dataTypes);
  if (pruned <= position) return;
  const message = `after_sequence: events after ${position} have been removed by retention or an erasure, up to ${pruned}; start from 0, or from ${pruned}`;
  throw new HubError("HISTORY_GONE", message, { metadata: { sequence: String(pruned) } });
}
