import { expect, it } from "vitest";
import { describeEngines } from "../support/user-data/engine.ts";
import { newEvent, wholePage } from "../support/user-data/events.ts";

const EVENTS = 100_000;
const PAGE = 500;
const BATCH = 500;
/** How much longer a page may take than the first ones, in milliseconds. */
const SLOWER_MS = 10;

await describeEngines("a hundred thousand events of one user", (engine) => {
  it("come by pages, each once and as soon as the first, while more are stored", async () => {
    const store = engine().store();
    const expected: string[] = [];
    for (let stored = 0; stored < EVENTS; stored += BATCH) {
      const events = Array.from({ length: BATCH }, () => newEvent("many"));
      expected.push(...events.map(({ eventId }) => eventId));
      await store.append(events);
    }
    // A prepared statement is planned by what is known of the tables, which a server finds out by itself sooner or later.
    await engine().admin("ANALYZE hub.user_trades");

    // All that is stored from now on is newer.
    let beforeId = newEvent("many").eventId;
    let isDone = false;
    const writing = (async () => {
      let written = 0;
      for (; !isDone; written += 20) {
        await store.append(Array.from({ length: 10 }, () => newEvent("many")));
        await store.append(Array.from({ length: 10 }, () => newEvent("another")));
      }
      return written;
    })();
    const seen: string[] = [];
    const times: number[] = [];
    for (;;) {
      const began = performance.now();
      const { events, isMore } = await store.page({ ...wholePage("many"), beforeId, events: PAGE });
      times.push(performance.now() - began);
      seen.push(...events.map(({ eventId }) => eventId));
      if (!isMore) break;
      beforeId = events.at(-1)?.eventId ?? "";
    }
    isDone = true;
    expect(await writing).toBeGreaterThan(0);

    expect(seen.length).toBe(EVENTS);
    expect(seen).toEqual(expected.toReversed());
    expect(times).toHaveLength(EVENTS / PAGE);
    const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Infinity;
    expect(median(times.slice(-50))).toBeLessThan(median(times.slice(0, 50)) + SLOWER_MS);
  }, 180_000);
});
