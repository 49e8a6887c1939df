import type { EventTable } from "../../data/event-tables.ts";
import type { StoredEvent } from "../../data/user-event.ts";

/** A row of a table of events. */
export interface EventRow {
  readonly user_id: string;
  readonly event_id: string;
  readonly event_type: string;
  readonly body: Buffer;
  readonly record_us: string;
  readonly seq: string;
  readonly prev_hash: Buffer;
  readonly hash: Buffer;
}

/** The event that a row holds. */
export function storedEvent(row: EventRow, table: EventTable): StoredEvent {
  return {
    userId: row.user_id,
    eventId: row.event_id,
    eventType: row.event_type,
    table,
    body: row.body,
    recordTimeUs: BigInt(row.record_us),
    sequence: BigInt(row.seq),
    previousHash: row.prev_hash,
    hash: row.hash,
  };
}
