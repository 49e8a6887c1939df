import { expect, it } from "vitest";
import { Ingest, type Patience } from "../../src/data/ingest.ts";
import type { Appended, NewEvent } from "../../src/data/user-event.ts";
import type { UserEventStore } from "../../src/data/user-event-store.ts";
import { HubError } from "../../src/errors.ts";
import { newEvent } from "../support/user-data/events.ts";

// A store whose transactions end when the test says so.
class Gate {
  readonly batches: NewEvent[][] = [];
  readonly ends: ((error?: unknown) => void)[] = [];
  isOpen = false;
  spoils = (_event: NewEvent): boolean => false;
  #sequence = 0n;

  readonly store = {
    lanes: 1,
    batchEvents: 4,
    append: async (events: readonly NewEvent[]): Promise<readonly Appended[]> => {
      this.batches.push([...events]);
      if (!this.isOpen) {
        await new Promise<void>((resolve, reject) => {
          this.ends.push((error) => (error === undefined ? resolve() : reject(error)));
        });
      }
      if (events.some((event) => this.spoils(event))) throw new Error("bad row");
      return events.map(() => ({ recordTimeUs: 1n, sequence: ++this.#sequence }));
    },
  } as unknown as UserEventStore;

  texts(): string[][] {
    return this.batches.map((batch) => batch.map(({ body }) => body.toString()));
  }
}

const patience = (ms = 60_000, signal = new AbortController().signal): Patience => ({
  deadline: performance.now() + ms,
  signal,
});
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
const event = (userId: string, text: string): NewEvent => newEvent(userId, { text });
const reasonOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "saved",
    (error: HubError) => error.reason,
  );

it("stores together what comes while a transaction runs, in the order in which it came", async () => {
  const gate = new Gate();
  const ingest = new Ingest(gate.store, { events: 100, eventsPerUser: 100 });
  const saved = [ingest.save(event("a", "1"), patience())];
  await turn();
  for (const text of ["2", "3", "4", "5", "6"]) saved.push(ingest.save(event("a", text), patience()));
  await turn();
  expect(gate.texts()).toEqual([["1"]]);
  gate.isOpen = true;
  gate.ends[0]?.();
  await Promise.all(saved);
  expect(gate.texts()).toEqual([["1"], ["2", "3", "4", "5"], ["6"]]);
  expect(ingest.waiting).toBe(0);
});

it("answers nobody before the commit, and everybody of a batch that fails with the reason", async () => {
  const gate = new Gate();
  const ingest = new Ingest(gate.store, { events: 100, eventsPerUser: 100 });
  let answered = 0;
  const saved = ["1", "2"].map((text) =>
    reasonOf(ingest.save(event("a", text), patience())).finally(() => answered++),
  );
  await turn();
  await turn();
  expect(answered).toBe(0);
  gate.ends[0]?.(new HubError("DATABASE_UNAVAILABLE", "commit failed"));
  expect(await Promise.all(saved)).toEqual(["DATABASE_UNAVAILABLE", "DATABASE_UNAVAILABLE"]);
  expect(gate.batches).toHaveLength(1);
});

it("finds the one event that spoils a batch, and stores the others", async () => {
  const gate = new Gate();
  gate.isOpen = true;
  gate.spoils = ({ body }) => body.toString() === "3";
  const ingest = new Ingest(gate.store, { events: 100, eventsPerUser: 100 });
  const saved = ["1", "2", "3", "4"].map((text) => reasonOf(ingest.save(event(text, text), patience())));
  expect(await Promise.all(saved)).toEqual(["saved", "saved", "EVENT_REFUSED", "saved"]);
});

it("refuses what is too much, a user's own bound first, with the time to wait", async () => {
  const gate = new Gate();
  const ingest = new Ingest(gate.store, { events: 5, eventsPerUser: 3 });
  const kept = ["1", "2", "3"].map((text) => ingest.save(event("a", text), patience()));
  const own = await ingest.save(event("a", "4"), patience()).catch((error: HubError) => error);
  expect(own).toMatchObject({ reason: "QUEUE_FULL", message: expect.stringContaining('of user "a"') });
  expect((own as HubError).retryAfterMs).toBeGreaterThan(0);
  kept.push(ingest.save(event("b", "5"), patience()), ingest.save(event("c", "6"), patience()));
  const all = await ingest.save(event("d", "7"), patience()).catch((error: HubError) => error);
  expect(all).toMatchObject({ reason: "QUEUE_FULL", message: expect.stringContaining("in all") });
  gate.isOpen = true;
  await turn();
  gate.ends[0]?.();
  await Promise.all(kept);
  // There is room again.
  await ingest.save(event("a", "8"), patience());
  expect(ingest.waiting).toBe(0);
});

it("does not store what nobody waits for any more", async () => {
  const gate = new Gate();
  const ingest = new Ingest(gate.store, { events: 100, eventsPerUser: 100 });
  const first = ingest.save(event("a", "1"), patience());
  await turn();
  const gone = new AbortController();
  const late = reasonOf(ingest.save(event("a", "late"), patience(-1)));
  const left = reasonOf(ingest.save(event("a", "left"), patience(60_000, gone.signal)));
  const good = ingest.save(event("a", "2"), patience());
  gone.abort();
  gate.isOpen = true;
  gate.ends[0]?.();
  expect(await Promise.all([late, left])).toEqual(["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"]);
  await Promise.all([first, good]);
  expect(gate.texts()).toEqual([["1"], ["2"]]);
});
