import { newEventId } from "../../../src/data/event-id.ts";
import { digestOf } from "../../../src/data/sha256.ts";
import type { NewEvent } from "../../../src/data/user-event.ts";

/** An event to store: a trade of its user, unless it is said otherwise. */
export function newEvent(userId: string, overrides: Partial<NewEvent> & { text?: string } = {}): NewEvent {
  const { text = '{"symbol":"EURUSD"}', ...rest } = overrides;
  const body = rest.body ?? Buffer.from(text);
  return {
    userId,
    eventId: newEventId(),
    isIdGiven: true,
    eventType: "trade_executed",
    dataType: "trades",
    table: "user_trades",
    topic: "user.trades",
    stateTopic: "",
    body,
    bodySha256: digestOf(body),
    ...rest,
  };
}

/** The page of everything that a user has in a table. */
export function wholePage(userId: string, table: NewEvent["table"] = "user_trades") {
  return {
    userId,
    table,
    fromId: "00000000-0000-0000-0000-000000000000",
    beforeId: "ffffffff-ffff-ffff-ffff-ffffffffffff",
    events: 1000,
    bytes: 4 * 1024 * 1024,
  };
}
