import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { expect, it } from "vitest";
import { readDocuments } from "../../src/config/document-set.ts";
import { DataRouter } from "../../src/data/data-router.ts";
import type { GivenEvent } from "../../src/data/intake.ts";
import { UserData } from "../../src/data/user-data.ts";
import type { Appended, NewEvent } from "../../src/data/user-event.ts";
import type { UserEventStore } from "../../src/data/user-event-store.ts";
import { Report } from "../../src/documents/findings.ts";
import { HubError } from "../../src/errors.ts";
import { SHIPPED } from "../config/documents.ts";
import { snapshotOf } from "../config/manager.ts";

const LANES = 2;
const BATCH = 3;
const router = new DataRouter({
  snapshot: { ...snapshotOf(), documents: readDocuments(SHIPPED, new Report()) },
});

function userData() {
  const stored = new Map<string, string[]>();
  const store = {
    lanes: LANES,
    batchEvents: BATCH,
    append: async (events: readonly NewEvent[]): Promise<readonly Appended[]> => {
      await sleep(1);
      return events.map(({ userId, body }) => {
        const own = stored.get(userId) ?? [];
        stored.set(userId, [...own, body.toString()]);
        return { recordTimeUs: 1n, sequence: BigInt(own.length + 1) };
      });
    },
  } as unknown as UserEventStore;
  const data = new UserData(router, [store], () => 0, { events: 1_000, eventsPerUser: 1_000 });
  return { data, stored };
}

const patience = { deadline: Number.POSITIVE_INFINITY, signal: { aborted: false } };
const admit = (userId: string): void => {
  if (userId === "mallory") throw new HubError("USER_FORBIDDEN", "not yours");
};

it("events of one call are answered in their order and stored in it for each user, whatever becomes of some", async () => {
  const given = fc.record({
    userId: fc.constantFrom("alice", "bob", "carol", "mallory"),
    eventType: fc.constantFrom("trade_executed", "trade_executed", "trade_executed", "unheard_of"),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(given, { maxLength: 120 }), async (all) => {
      const { data, stored } = userData();
      const events = all.map((each, at) => ({ ...each, eventId: "", eventJson: `{"at":${at}}` }));
      const results = await data.saveAll(events, admit, patience);
      const expected = new Map<string, string[]>();
      for (const [at, { userId, eventType, eventJson }] of events.entries()) {
        const result = results[at];
        if (userId === "mallory") expect(result).toMatchObject({ reason: "USER_FORBIDDEN" });
        else if (eventType === "unheard_of") expect(result).toMatchObject({ reason: "UNKNOWN_EVENT_TYPE" });
        else {
          const own = [...(expected.get(userId) ?? []), eventJson];
          expected.set(userId, own);
          expect(result).toMatchObject({ sequence: BigInt(own.length) });
        }
      }
      expect(results).toHaveLength(events.length);
      expect(stored).toEqual(expected);
    }),
    { numRuns: 50 },
  );
});

it("no more events of one call are on their way than keep the database at work", async () => {
  const { data } = userData();
  const waiting: number[] = [];
  const events = Array.from(
    { length: 200 },
    (_, at): GivenEvent => ({
      userId: `user-${at % 7}`,
      eventType: "trade_executed",
      eventId: "",
      get eventJson() {
        waiting.push(data.waiting);
        return `{"at":${at}}`;
      },
    }),
  );
  const results = await data.saveAll(events, admit, patience);
  expect(results.every((result) => !(result instanceof Error))).toBe(true);
  expect(Math.max(...waiting)).toBe(2 * LANES * BATCH - 1);
  expect(data.waiting).toBe(0);
});
