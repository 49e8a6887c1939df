import fc from "fast-check";
import { afterEach, expect, it, vi } from "vitest";
import { append } from "../../src/adapters/postgres/append.ts";
import type { Database } from "../../src/adapters/postgres/database.ts";
import { KnownHeads } from "../../src/adapters/postgres/known-heads.ts";
import {
  EXPECT_NEW,
  FIND_KNOWN,
  LOCK_GUESSED,
  LOCK_HEADS,
  MOVE_HEADS,
} from "../../src/adapters/postgres/statements.ts";
import { eventHash } from "../../src/data/event-hash.ts";
import { sha256 } from "../../src/data/sha256.ts";
import { type NewEvent, NO_HASH } from "../../src/data/user-event.ts";
import { describeEngines } from "../support/user-data/engine.ts";
import { newEvent } from "../support/user-data/events.ts";

const TABLES = ["user_trades", "user_auth"] as const;

// What one process knows of heads is one KnownHeads: several over one database are several hubs.
await describeEngines("a batch that is planned with the heads that its process knows", (engine) => {
  afterEach(() => vi.restoreAllMocks());

  const opened = async (): Promise<Database> => (await engine().store().open()).appends;
  const save = async (heads: KnownHeads, ...events: NewEvent[]) =>
    await append(await opened(), heads, events, false);
  const made = (userId: string, overrides: Parameters<typeof newEvent>[1] = {}) =>
    newEvent(userId, { isIdGiven: false, ...overrides });

  // Sequences without a gap, a chain that can be computed again, times that do not go back.
  const checkHistory = async (userId: string): Promise<readonly string[]> => {
    const events = await engine().store().after(userId, TABLES, 0n);
    let previous = NO_HASH;
    let time = 0n;
    for (const [at, event] of events.entries()) {
      expect(event.sequence).toBe(BigInt(at + 1));
      expect(event.previousHash).toEqual(previous);
      expect(event.hash).toEqual(eventHash({ ...event, bodySha256: sha256(event.body) }, previous));
      expect(event.recordTimeUs).toBeGreaterThanOrEqual(time);
      previous = event.hash;
      time = event.recordTimeUs;
    }
    return events.map(({ eventId }) => eventId);
  };
  const tripsOf = async (work: () => Promise<unknown>) => {
    const database = await opened();
    const [once, twice] = [vi.spyOn(database, "atOnce"), vi.spyOn(database, "twice")];
    await work();
    const trips = { once: once.mock.calls.length, twice: twice.mock.calls.length };
    vi.restoreAllMocks();
    return trips;
  };

  // A machine that stands still for a tenth of a second makes a guess of the time wrong, so one of a few is to be right.
  const expectOneTrip = async (work: (attempt: string) => Promise<() => Promise<unknown>>) => {
    const seen: object[] = [];
    for (let attempt = 0; attempt < 5; attempt++) {
      const trips = await tripsOf(await work(`${attempt}`));
      if (trips.once === 1 && trips.twice === 0) return;
      seen.push(trips);
    }
    expect.fail(`never one round trip: ${JSON.stringify(seen)}`);
  };

  it("takes one round trip, with ids of its own and with ids that were given", async () => {
    await expectOneTrip(async (attempt) => {
      const heads = new KnownHeads();
      const userId = `once-${attempt}`;
      await save(heads, made(userId));
      return () => save(heads, made(userId), newEvent(userId), made(userId));
    });
    expect(await checkHistory("once-0")).toHaveLength(4);
  });

  it("takes two, once, when another process has moved on", async () => {
    const [ours, theirs] = [new KnownHeads(), new KnownHeads()];
    await save(ours, made("moved"));
    await save(theirs, made("moved"));
    expect(await tripsOf(() => save(ours, made("moved")))).toEqual({ once: 1, twice: 1 });
    // Where it happens all the time, it is not tried all the time.
    const more = await tripsOf(async () => {
      for (let turn = 0; turn < 8; turn++) {
        await save(theirs, made("moved"));
        await save(ours, made("moved"));
      }
    });
    expect(more.twice).toBe(16);
    expect(more.once).toBeLessThanOrEqual(1);
    expect(await checkHistory("moved")).toHaveLength(3 + 16);
  });

  it("stores nothing twice when the answer to a commit was lost", async () => {
    const [ours, before] = [new KnownHeads(), new KnownHeads()];
    await save(ours, made("lost"));
    const events = [made("lost"), newEvent("lost")];
    await save(before, made("lost"));
    const saved = await save(before, ...events);
    // This process knows the head from before, as one that has not heard of its own commit does.
    const again = await save(ours, ...events);
    expect(again).toEqual(saved.map((each) => Object.assign({ isRepeat: true }, each)));
    expect(await checkHistory("lost")).toHaveLength(4);
  });

  it("answers an id that comes again as before, and refuses it with other content, in every table", async () => {
    const event = newEvent("known");
    const { eventId } = event;
    const outcomes: unknown[] = [];
    const again = [
      event,
      newEvent("known", { eventId, text: '{"symbol":"GBPUSD"}' }),
      newEvent("known", { eventId, table: "user_auth", eventType: "login" }),
    ];
    let saved: unknown;
    for (const each of again) {
      const heads = new KnownHeads();
      [saved] = saved ? [saved] : await save(heads, event);
      await save(heads, made("known"));
      outcomes.push(...(await save(heads, made("known"), each)).slice(1));
    }
    expect(outcomes).toEqual([Object.assign({ isRepeat: true }, saved), "conflict", "conflict"]);
    expect(await checkHistory("known")).toHaveLength(1 + 3 + 3);
  });

  it("takes heads and ids from their indexes, however empty the tables were when that was planned", async () => {
    await opened();
    const { admin } = engine();
    const id = newEvent("known").eventId;
    const calls = [
      { statement: FIND_KNOWN, types: "text[], uuid[]", values: `'{known}', '{${id}}'`, of: "user_trades_" },
      { statement: EXPECT_NEW, types: "text[], uuid[]", values: `'{known}', '{${id}}'`, of: "user_trades_" },
      { statement: LOCK_HEADS, types: "text[]", values: "'{known}'", of: "user_head_" },
      {
        statement: MOVE_HEADS,
        types: "text[], bigint[], bytea[]",
        values: "'{known}', '{1}', '{}'",
        of: "user_head_",
      },
      {
        statement: LOCK_GUESSED,
        types: "text[], bigint[], bytea[], bigint",
        values: "'{known}', '{1}', '{}', 0",
        of: "user_head_",
      },
    ];
    await admin("SET plan_cache_mode = force_generic_plan");
    for (const { statement, types, values, of } of calls) {
      const prepared = `planned_${statement.name}`;
      await admin(`PREPARE ${prepared} (${types}) AS ${statement.text}`);
      const plan = await admin<{ "QUERY PLAN": string }>(`EXPLAIN EXECUTE ${prepared} (${values})`);
      await admin(`DEALLOCATE ${prepared}`);
      const lines = plan.map((row) => row["QUERY PLAN"]);
      expect(lines.filter((line) => line.includes("Seq Scan on user_"))).toEqual([]);
      const index = new RegExp(`Index (Only )?Scan (using|on) ${of}`);
      expect(lines.filter((line) => index.test(line))).not.toEqual([]);
    }
    await admin("RESET plan_cache_mode");
  });

  it("stores nothing more of a user who has been erased since", async () => {
    const heads = new KnownHeads();
    await save(heads, made("gone"), made("stays"));
    await engine().admin("UPDATE hub.user_head SET erased_at = clock_timestamp() WHERE user_id = 'gone'");
    const outcomes = await save(heads, made("gone"), made("stays"));
    expect(outcomes).toEqual(["erased", expect.objectContaining({ sequence: 2n })]);
    expect(await checkHistory("gone")).toHaveLength(1);
  });

  it("stores nothing after a head that is another's, though its sequence is the same", async () => {
    const [ours, theirs] = [new KnownHeads(), new KnownHeads()];
    await save(ours, made("forked"));
    const forked = new Map([["forked", { sequence: 1n, hash: "x".repeat(32) }]]);
    ours.keep(forked, 0n);
    await save(ours, made("forked"));
    await save(theirs, made("forked"));
    expect(await checkHistory("forked")).toHaveLength(3);
  });

  it("gives events the database's time, whatever its own clock does", async () => {
    let driftMs = 0;
    const heads = new KnownHeads(() => performance.now() + driftMs);
    const now = async () => {
      const text = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us";
      const [row] = await engine().admin<{ us: string }>(text);
      return BigInt(row?.us ?? 0);
    };
    for (const step of [0, 0, 5_000, 0, -9_000, 0, 0]) {
      driftMs += step;
      // So that a wrong guess is followed by right ones again.
      for (let batch = 0; batch < 20; batch++) {
        const from = await now();
        const [outcome] = await save(heads, made("timed"));
        const { recordTimeUs } = outcome as { recordTimeUs: bigint };
        expect(recordTimeUs).toBeGreaterThan(from - 100_001n);
        expect(recordTimeUs).toBeLessThanOrEqual(await now());
      }
    }
    expect(await checkHistory("timed")).toHaveLength(7 * 20);
  });

  it("undoes all of a batch with an event that the database does not take, and goes on", async () => {
    await expectOneTrip(async (attempt) => {
      const heads = new KnownHeads();
      const userId = `spoiled-${attempt}`;
      await save(heads, made(userId));
      // A month for which there is no partition.
      const spoiled = made(userId, { eventId: "00000000-0000-7000-8000-000000000000" });
      await expect(save(heads, made(userId), spoiled, made(userId))).rejects.toThrow("event_id");
      return () => save(heads, made(userId));
    });
    expect(await checkHistory("spoiled-0")).toHaveLength(2);
  });

  it("keeps every history whole, whatever processes save for whatever users, at the same time too", async () => {
    const user = fc.constantFrom("ann", "ben", "eve");
    const batch = fc.record({
      process: fc.nat(2),
      users: fc.array(user, { minLength: 1, maxLength: 5 }),
      isIdGiven: fc.boolean(),
      isAlone: fc.boolean(),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 14 }), async (batches) => {
        const prefix = `whole-${run++}-`;
        const processes = Array.from({ length: 3 }, () => new KnownHeads());
        const wanted = new Map<string, string[]>();
        let running: Promise<unknown>[] = [];
        for (const { process, users, isIdGiven, isAlone } of batches) {
          const events = users.map((name) => newEvent(prefix + name, { isIdGiven }));
          for (const { userId, eventId } of events)
            wanted.set(userId, [...(wanted.get(userId) ?? []), eventId]);
          running.push(save(processes[process] as KnownHeads, ...events));
          if (!isAlone) continue;
          await Promise.all(running);
          running = [];
        }
        await Promise.all(running);
        for (const [userId, ids] of wanted)
          expect((await checkHistory(userId)).toSorted()).toEqual(ids.toSorted());
      }),
      { numRuns: engine().kind === "PGlite" ? 30 : 60 },
    );
  });
});
