import type { EventTable } from "../../data/event-tables.ts";
import type { ShownEvent } from "../../data/user-event.ts";

/** A row of a page; without its payload where that goes beyond the bytes of the page. */
export type PageRow = Omit<ShownEvent, "json"> & { readonly json: string | null };

/** Makes rows of a page's columns: user, id, type, time, sequence, the hash before and its own, payload. */
export function pageRow(table: EventTable): (texts: readonly (string | null)[]) => PageRow {
  return (texts) => {
    const [userId, eventId, eventType, recordUs, sequence, previousHash, hash, json] = texts as string[] as [
      ...[string, string, string, string, string, string, string],
      string | null,
    ];
    return {
      userId,
      eventId,
      eventType,
      table,
      json,
      recordTimeUs: BigInt(recordUs),
      sequence: BigInt(sequence),
      previousHash,
      hash,
    };
  };
}

/** The page that rows come to, of which one more than wanted was asked for. */
export function pageOf(
  rows: readonly PageRow[],
  wanted: number,
): { readonly events: readonly ShownEvent[]; readonly isMore: boolean } {
  const without = rows.findIndex(({ json }) => json === null);
  const events = rows.slice(0, without < 0 ? wanted : Math.min(without, wanted)) as readonly ShownEvent[];
  return { events, isMore: events.length < rows.length };
}
