import { BETWEEN_VALUES, EventPage } from "../../src/data/event-page.ts";
import type { ShownEvent } from "../../src/data/user-event.ts";

/** The text that a database makes of events. */
export function textOf(events: readonly ShownEvent[]): string {
  return events
    .flatMap(({ eventId, eventType, json, recordTimeUs, sequence, previousHash, hash }) => [
      eventId,
      eventType,
      json,
      recordTimeUs,
      sequence,
      previousHash,
      hash,
    ])
    .join(String.fromCharCode(BETWEEN_VALUES));
}

/** A page that has all of some events. */
export function pageWith(events: readonly ShownEvent[], userId: string): EventPage {
  return new EventPage(textOf(events), events.length, {
    userId,
    table: "user_trades",
    events: events.length,
  });
}
