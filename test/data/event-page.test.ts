import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventPage } from "../../src/data/event-page.ts";
import type { ShownEvent } from "../../src/data/user-event.ts";
import { textOf } from "../support/event-pages.ts";

const FRAME = { userId: "u", table: "user_trades" } as const;

describe("a page of events", () => {
  it("has those that were wanted and are within its bytes, and says whether there are more", () => {
    const counts = fc.tuple(fc.nat(12), fc.integer({ min: 1, max: 12 }), fc.nat(12));
    fc.assert(
      fc.property(counts, ([found, wanted, beyond]) => {
        // The first has its payload always.
        const whole = Math.max(Math.min(1, found), found - beyond);
        const events = Array.from({ length: found }, (_, at) => eventAt(at));
        const text = textOf(events.map((event, at) => (at < whole ? event : { ...event, json: "" })));
        const page = new EventPage(text, found, { ...FRAME, events: wanted });
        const expected = events.slice(0, Math.min(whole, wanted));
        expect(page.events).toEqual(expected);
        expect(page.length).toBe(expected.length);
        expect(page.text).toBe(textOf(expected));
        expect(page.lastId).toBe(expected.at(-1)?.eventId ?? "");
        expect(page.isMore).toBe(found > expected.length);
      }),
    );
  });
});

function eventAt(at: number): ShownEvent {
  return {
    ...{ ...FRAME, eventId: `id-${at}`, eventType: "trade_executed", json: `{"at":${at}}` },
    ...{ recordTimeUs: BigInt(1_000 + at), sequence: BigInt(at + 1) },
    ...{ previousHash: `before-${at}`, hash: `hash-${at}` },
  };
}
