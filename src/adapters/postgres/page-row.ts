import type { EventTable } from "../../data/event-tables.ts";
import type { ShownEvent } from "../../data/user-event.ts";

/** The events of a page as one text; null without any. One value takes the driver a fifth of what nine of each event do. */
export interface PageRow {
  readonly events: string | null;
}

/** What stands between two values. Neither JSON nor anything else that is stored may have it. */
export const BETWEEN_VALUES = 31;

const VALUES_END = String.fromCharCode(BETWEEN_VALUES);
/** Of an event. */
const VALUES = 7;

/**
 * The page of a user that a text holds, of which one more event than wanted was asked for. The values of an event: id, type,
 * time, sequence, the hash before and its own, and the payload, which is empty where it goes beyond the bytes of the page.
 */
export function pageOf(
  text: string | null,
  { userId, table, events: wanted }: { userId: string; table: EventTable; events: number },
): { readonly events: readonly ShownEvent[]; readonly isMore: boolean } {
  const values = text === null ? [] : text.split(VALUES_END);
  const events: ShownEvent[] = [];
  const valueAt = (at: number): string => values[at] as string;
  for (let at = 0; at < values.length; at += VALUES) {
    const json = valueAt(at + 6);
    if (json === "" || events.length === wanted) break;
    events.push({
      userId,
      eventId: valueAt(at),
      eventType: valueAt(at + 1),
      table,
      json,
      recordTimeUs: BigInt(valueAt(at + 2)),
      sequence: BigInt(valueAt(at + 3)),
      previousHash: valueAt(at + 4),
      hash: valueAt(at + 5),
    });
  }
  return { events, isMore: events.length < values.length / VALUES };
}
