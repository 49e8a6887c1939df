import type { EventTable } from "../../data/event-tables.ts";
import type { ShownEvent } from "../../data/user-event.ts";

/** The events of a page as one text; null without any. One value takes the driver a fifth of what nine of each event do. */
export interface PageRow {
  readonly events: string | null;
}

/** What stands between events, and between the columns of one. Neither JSON nor anything else that is stored may have them. */
export const BETWEEN = { events: 30, columns: 31 } as const;

const EVENTS_END = String.fromCharCode(BETWEEN.events);
const COLUMNS_END = String.fromCharCode(BETWEEN.columns);

/**
 * The page of a user that a text holds, of which one more event than wanted was asked for. The columns of an event: id,
 * type, time, sequence, the hash before and its own, and the payload, unless it goes beyond the bytes of the page.
 */
export function pageOf(
  text: string | null,
  { userId, table, events: wanted }: { userId: string; table: EventTable; events: number },
): { readonly events: readonly ShownEvent[]; readonly isMore: boolean } {
  const rows = text === null ? [] : text.split(EVENTS_END);
  const events: ShownEvent[] = [];
  for (const row of rows) {
    const [eventId, eventType, recordUs, sequence, previousHash, hash, json] = row.split(COLUMNS_END) as [
      string,
      string,
      string,
      string,
      string,
      string,
      string | undefined,
    ];
    if (json === undefined || events.length === wanted) break;
    events.push({
      userId,
      eventId,
      eventType,
      table,
      json,
      recordTimeUs: BigInt(recordUs),
      sequence: BigInt(sequence),
      previousHash,
      hash,
    });
  }
  return { events, isMore: events.length < rows.length };
}
