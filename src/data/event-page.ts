import type { EventTable } from "./event-tables.ts";
import type { ShownEvent } from "./user-event.ts";

/** What stands between two values of a page. Neither JSON nor anything else that is stored may have it. */
export const BETWEEN_VALUES = 31;

const VALUES_END = String.fromCharCode(BETWEEN_VALUES);
/** Of an event. */
const VALUES = 7;

/** Whose events a page has, and how many at most. */
export interface PageFrame {
  readonly userId: string;
  readonly table: EventTable;
  /** Number of events at most. */
  readonly events: number;
}

/**
 * Events of a user as one text, newest first: an object for each of them would take longer to make than the whole answer.
 * The values of an event are in the order of the fields of UserEvent: id, type, payload, time, sequence, the hash before
 * and its own.
 */
export class EventPage {
  readonly userId: string;
  readonly table: EventTable;
  /** The values, with BETWEEN_VALUES between any two; empty without events. */
  readonly text: string;
  /** Number of events. */
  readonly length: number;
  /** Id of the oldest; empty without events. */
  readonly lastId: string;
  /** Whether the user has older ones that fit the query. */
  readonly isMore: boolean;

  /**
   * `text` has `found` events, among them one more than wanted if there are more; those that go beyond the bytes of the page
   * are its last, and without their payload, which the first always has.
   */
  constructor(text: string, found: number, { userId, table, events: wanted }: PageFrame) {
    let length = found;
    let end = text.length;
    let last = lastEventIn(text, end);
    while (length > 0 && (length > wanted || !hasPayload(text, last))) {
      length--;
      end = last - 1;
      last = lastEventIn(text, end);
    }
    this.userId = userId;
    this.table = table;
    this.text = text.slice(0, end);
    this.length = length;
    this.lastId = text.slice(last, text.indexOf(VALUES_END, last));
    this.isMore = length < found;
  }

  /** The events one by one, made anew each time. */
  get events(): readonly ShownEvent[] {
    const { userId, table, length } = this;
    const values = this.text.split(VALUES_END);
    return Array.from({ length }, (_, index) => {
      const valueAt = (place: number): string => values[index * VALUES + place] as string;
      return {
        userId,
        eventId: valueAt(0),
        eventType: valueAt(1),
        table,
        json: valueAt(2),
        recordTimeUs: BigInt(valueAt(3)),
        sequence: BigInt(valueAt(4)),
        previousHash: valueAt(5),
        hash: valueAt(6),
      };
    });
  }
}

// Where the last event before an end begins.
function lastEventIn(text: string, end: number): number {
  let at = end;
  for (let value = 0; value < VALUES && at >= 0; value++) at = text.lastIndexOf(VALUES_END, at - 1);
  return at + 1;
}

function hasPayload(text: string, event: number): boolean {
  const type = text.indexOf(VALUES_END, event) + 1;
  const payload = text.indexOf(VALUES_END, type) + 1;
  return text.charCodeAt(payload) !== BETWEEN_VALUES;
}
