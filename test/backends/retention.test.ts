import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { Ingest } from "../../src/data/ingest.ts";
import type { RetentionStore } from "../../src/data/retention-store.ts";
import { describeEngines, type Engine } from "../support/user-data/engine.ts";
import { newEvent, wholePage } from "../support/user-data/events.ts";
import { eventIdAt, makeMonth } from "../support/user-data/old-months.ts";
import { retentionOf } from "../support/user-data/retention.ts";

const AUTH = { table: "user_auth", dataType: "auth", eventType: "login" } as const;

/** Events of these users in a month that is made for them, and newer ones of theirs after, before and between. */
async function month(engine: Engine, name: string, users: readonly string[], each: number): Promise<string> {
  const partition = await makeMonth(engine, "user_auth", name);
  const from = Date.parse(`${name}-01T00:00:00Z`);
  for (let n = 0; n < each; n++) {
    await engine
      .store()
      .append(
        users.flatMap((userId) => [newEvent(userId, { ...AUTH, eventId: eventIdAt(from + n * 1000) })]),
      );
    if (n % 3 === 0) await engine.store().append(users.map((userId) => newEvent(userId)));
  }
  return partition;
}

async function stored(engine: Engine, userId: string, table: "user_auth" | "user_trades"): Promise<number> {
  return (await engine.store().page(wholePage(userId, table))).events.length;
}

async function isThere(engine: Engine, partition: string): Promise<boolean> {
  const rows = await engine.admin("SELECT FROM hub.event_partitions() WHERE partition_name = $1", [
    partition,
  ]);
  return rows.length > 0;
}

const UNHELD = { reason: "case", author: "a" };

await describeEngines("retention", (engine) => {
  it("removes a month that is due, and leaves histories that verify", async () => {
    const { job, verify, pruned } = retentionOf(engine());
    const partition = await month(engine(), "2020-01", ["r1", "r2"], 30);
    expect(await verify("r1")).toMatchObject({ events: 40n, gone: 0n, faults: [] });
    const retention = job();
    await retention.run();
    expect(retention.status).toMatchObject({ reason: "", monthsDropped: 1, eventsPruned: 60, monthsHeld: 0 });
    expect(pruned).toEqual([`${partition} 60 true`]);
    expect(await isThere(engine(), partition)).toBe(false);
    for (const userId of ["r1", "r2"]) {
      expect(await verify(userId)).toMatchObject({ events: 10n, gone: 30n, faults: [] });
      expect(await stored(engine(), userId, "user_auth")).toBe(0);
      expect(await stored(engine(), userId, "user_trades")).toBe(10);
    }
    expect(await engine().admin("SELECT FROM hub.prune_draft")).toEqual([]);
    // And what is stored afterwards fits.
    await engine()
      .store()
      .append([newEvent("r1", AUTH)]);
    expect(await verify("r1")).toMatchObject({ events: 11n, gone: 30n, faults: [] });
  });

  it("leaves what is held, of all data types or of this one, until the hold is gone", async () => {
    const { job, verify } = retentionOf(engine());
    const store = engine().store();
    const users = ["k-all", "k-auth", "k-trades", "k-none", "k-renamed"];
    const partition = await month(engine(), "2020-02", users, 6);
    await store.setHold({ userId: "k-all", dataTypes: [], ...UNHELD });
    await store.setHold({ userId: "k-auth", dataTypes: ["auth", "trades"], ...UNHELD });
    await store.setHold({ userId: "k-trades", dataTypes: ["trades"], ...UNHELD });
    await store.setHold({ userId: "k-renamed", dataTypes: ["logins"], ...UNHELD });
    const retention = job();
    for (const monthsHeld of [1, 1]) {
      await retention.run();
      expect(retention.status).toMatchObject({ reason: "", monthsDropped: 0, eventsPruned: 12, monthsHeld });
      const left = await Promise.all(users.map((userId) => stored(engine(), userId, "user_auth")));
      expect(left).toEqual([6, 6, 0, 0, 6]);
    }
    for (const userId of users) expect((await verify(userId)).faults).toEqual([]);
    const { appends } = await store.open();
    // The new partition is as the old one was.
    expect(
      await engine().admin(
        `SELECT relrowsecurity AND relforcerowsecurity AS guarded, relacl, relispartition AS part, pg_get_userbyid(relowner) AS owner
          FROM pg_class WHERE relname = $1`,
        [partition],
      ),
    ).toEqual([{ guarded: true, relacl: null, part: true, owner: "hub_owner" }]);
    await (await store.open()).inspect();
    expect(appends).toBeDefined();
    for (const userId of users) await store.releaseHold(userId);
    await retention.run();
    expect(retention.status).toMatchObject({ monthsDropped: 1, eventsPruned: 30, monthsHeld: 0 });
    expect(await isThere(engine(), partition)).toBe(false);
    for (const userId of users) {
      expect(await verify(userId)).toMatchObject({ gone: 6n, faults: [] });
    }
  });

  it("goes by the holds that there are when the month goes, not when its records were made", async () => {
    const { job, verify } = retentionOf(engine());
    const store = engine().store();
    await month(engine(), "2020-03", ["late-hold", "released"], 4);
    await store.setHold({ userId: "released", dataTypes: [], ...UNHELD });
    const real = store.retention();
    let drafts = 0;
    const slow: RetentionStore = Object.assign(Object.create(real), {
      isOpened: () => true,
      draft: async (...args: Parameters<RetentionStore["draft"]>) => {
        await real.draft(...args);
        if (drafts++ > 0) return;
        await store.setHold({ userId: "late-hold", dataTypes: ["auth"], ...UNHELD });
        await store.releaseHold("released");
      },
    });
    for (const name of ["months", "undrafted", "forget", "prune", "count"] as const)
      Object.assign(slow, { [name]: real[name].bind(real) });
    const retention = job(slow);
    await retention.run();
    expect(retention.status).toMatchObject({ reason: "", eventsPruned: 4, monthsHeld: 1 });
    expect(await stored(engine(), "late-hold", "user_auth")).toBe(4);
    expect(await verify("late-hold")).toMatchObject({ gone: 0n, faults: [] });
    expect(await verify("released")).toMatchObject({ gone: 4n, faults: [] });
    await store.releaseHold("late-hold");
    await retention.run();
  });

  it("keeps what a class, a floor or the clock of either side keeps", async () => {
    const { job } = retentionOf(engine());
    const lastMonth = new Date(Date.now() - 40 * 86_400_000).toISOString().slice(0, 7);
    const kept = [
      await makeMonth(engine(), "user_trades", "2021-01"),
      await makeMonth(engine(), "user_settings", "2010-01"),
      await makeMonth(engine(), "user_auth", lastMonth),
    ];
    const retention = job();
    await retention.run();
    // A hub whose clock is a hundred years behind, or ahead, removes nothing for that.
    const old = await month(engine(), "2020-04", ["clock"], 2);
    await job(undefined, () => Date.now() - 100 * 365.25 * 86_400_000).run();
    expect(await isThere(engine(), old)).toBe(true);
    await job(undefined, () => Date.now() + 100 * 365.25 * 86_400_000).run();
    for (const partition of kept) expect(await isThere(engine(), partition)).toBe(true);
    expect(await isThere(engine(), old)).toBe(false);
    const next = new Map(retention.status.next.map(({ keeping, dueMs }) => [keeping.dataType, dueMs]));
    expect(next.get("settings")).toBeUndefined();
    expect(next.get("trades")).toBe(Date.parse("2021-02-01T00:00:00Z") + 86_400_000 + 220_903_200_000);
    expect(retention.status.monthsAhead).toBe(3);
  });

  it("is found out when a record of it was changed or taken away", async () => {
    const { job, verify } = retentionOf(engine());
    await month(engine(), "2020-05", ["forged"], 8);
    await job().run();
    expect(await verify("forged")).toMatchObject({ gone: 8n, faults: [] });
    const where = "WHERE user_id = 'forged'";
    await engine().admin(`UPDATE hub.pruned SET hashes[3] = hashes[2] ${where}`);
    expect((await verify("forged")).faults.join()).toContain("does not have the signature");
    await engine().admin(`DELETE FROM hub.pruned ${where}`);
    expect((await verify("forged")).faults.join()).toContain("no signed record says why");
  });

  it("goes on while events are saved and read, and holds nobody up for long", async () => {
    const { job, verify } = retentionOf(engine());
    const store = engine().store();
    const users = Array.from({ length: 20 }, (_, n) => `busy-${n}`);
    const partition = await month(engine(), "2020-06", users, 40);
    await store.setHold({ userId: "busy-0", dataTypes: [], ...UNHELD });
    let isOver = false;
    let slowest = 0;
    const failures: unknown[] = [];
    let calls = 0;
    const timed = async (work: () => Promise<unknown>): Promise<void> => {
      while (!isOver) {
        const began = performance.now();
        await work().catch((error) => failures.push(error));
        slowest = Math.max(slowest, performance.now() - began);
        calls++;
      }
    };
    const others = [
      timed(() => store.append(users.map((userId) => newEvent(userId, AUTH)))),
      timed(() => store.page(wholePage("busy-1", "user_auth"))),
      timed(() => store.page(wholePage("busy-0", "user_auth"))),
    ];
    await sleep(100);
    const retention = job();
    await retention.run();
    isOver = true;
    await Promise.all(others);
    expect(failures).toEqual([]);
    expect(retention.status).toMatchObject({ reason: "", eventsPruned: 19 * 40 });
    expect(calls).toBeGreaterThan(5);
    expect(slowest).toBeLessThan(5_000);
    for (const userId of users) expect((await verify(userId)).faults).toEqual([]);
    expect(await isThere(engine(), partition)).toBe(true);
    await store.releaseHold("busy-0");
    await retention.run();
  });

  it("is told of by an event that comes too late, which keeps none of its batch", async () => {
    const store = engine().store();
    const ingest = new Ingest(store, { events: 100, eventsPerUser: 100 });
    const until = { deadline: performance.now() + 60_000, signal: new AbortController().signal };
    const late = newEvent("late", { ...AUTH, eventId: eventIdAt(Date.parse("2018-05-05T00:00:00Z")) });
    const saves = [newEvent("late", AUTH), late, newEvent("late", AUTH)].map((event) =>
      ingest.save(event, until),
    );
    const outcomes = await Promise.allSettled(saves);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    await expect(saves[1]).rejects.toMatchObject({
      reason: "EVENT_REFUSED",
      message: expect.stringContaining("event_id: its time lies in a month that there is no partition for"),
    });
  });

  it("is done once by two at the same time", async () => {
    const { job, verify, pruned } = retentionOf(engine());
    const users = Array.from({ length: 40 }, (_, n) => `twice-${n}`);
    const partition = await month(engine(), "2020-07", users, 60);
    const jobs = [job(), job()];
    await Promise.all(jobs.map((each) => each.run()));
    expect(jobs.map(({ status }) => status.reason)).toEqual(["", ""]);
    expect(pruned).toEqual([`${partition} 2400 true`]);
    for (const userId of users) expect(await verify(userId)).toMatchObject({ gone: 60n, faults: [] });
    const [row] = await engine().admin<{ n: string }>(
      "SELECT sum(cardinality(seqs)) AS n FROM hub.pruned WHERE user_id LIKE 'twice-%'",
    );
    expect(row?.n).toBe("2400");
  });
});
