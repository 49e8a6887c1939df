import { generateKeyPairSync } from "node:crypto";
import { expect, it } from "vitest";
import { bucketOf } from "../../src/data/buckets.ts";
import { Erasure } from "../../src/data/erasure.ts";
import type { ErasureStore } from "../../src/data/erasure-store.ts";
import { EVENT_TABLES, type EventTable } from "../../src/data/event-tables.ts";
import { historySigner } from "../../src/data/history-keys.ts";
import type { Appended } from "../../src/data/user-event.ts";
import { describeEngines, type Engine } from "../support/user-data/engine.ts";
import { erasureOf, inShort } from "../support/user-data/erasure.ts";
import { newEvent, wholePage } from "../support/user-data/events.ts";

// The tables of the shipped data types, each with its data type.
const of = (table: EventTable) => ({ table, dataType: table.slice("user_".length) });

/** Gives a user so many events in each of these tables, one after the other. */
async function fill(engine: Engine, userId: string, tables: readonly EventTable[], each: number) {
  for (let n = 0; n < each; n++)
    await engine.store().append(tables.map((table) => newEvent(userId, of(table))));
}

const isSaved = (appended: Appended | undefined): boolean => typeof appended === "object";

await describeEngines("an erasure", (engine) => {
  it("leaves what a hold keeps until that is released, and what a floor keeps until its time", async () => {
    const { erase, foresee, resume } = erasureOf(engine());
    const store = engine().store();
    await fill(engine(), "held", ["user_auth", "user_commands", "user_trades", "user_settings"], 2);
    const age = (table: EventTable, which: string) =>
      engine().admin(
        `UPDATE hub.${table} SET ingested_at = ingested_at - interval '8 years' WHERE user_id = 'held' AND ${which}`,
      );
    await age("user_trades", "seq = 3");
    await store.setHold({ userId: "held", dataTypes: ["auth"], reason: "case 9", author: "a" });
    const foreseen = await foresee("held");
    const outcomes = await erase("held");
    expect(outcomes).toEqual(foreseen);
    expect(inShort(outcomes)).toEqual([
      ...["auth RESTRICTED 2", "commands RESTRICTED 2", "settings ERASED 2"],
      ...["trades ERASED 1", "trades RESTRICTED 1"],
    ]);
    expect(outcomes[0]).toMatchObject({ heldBy: ["legal hold"], untilUs: undefined });
    expect(outcomes.at(-1)).toMatchObject({ heldBy: ["FINRA_4511", "MiFID_II"] });

    expect(await resume()).toBe(0);
    await store.releaseHold("held");
    await age("user_commands", "true");
    await engine().admin(
      "UPDATE hub.erasure SET next_at = now() - interval '1 second' WHERE user_id = 'held' AND data_type = 'commands'",
    );
    expect(await resume()).toBe(1);
    expect(await resume()).toBe(0);
    expect(inShort(await foresee("held"))).toEqual([
      ...[
        "auth ERASED 2",
        "commands ERASED 2",
        "settings ERASED 2",
        "trades ERASED 1",
        "trades RESTRICTED 1",
      ],
    ]);
  });

  it("keeps what it knows nothing of: a table of no data type, a hold of one that there is no more", async () => {
    const { erase, rule, router } = erasureOf(engine());
    const store = engine().store();
    await fill(engine(), "odd", ["user_auth"], 1);
    await store.setHold({ userId: "odd", dataTypes: ["renamed"], reason: "case", author: "a" });
    expect(inShort(await erase("odd"))).toEqual(["auth RESTRICTED 1"]);
    const ofTable = router.ofTable.bind(router);
    router.ofTable = (table) => (table === "user_auth" ? undefined : ofTable(table));
    const auth = rule.tables().find(({ table }) => table === "user_auth");
    expect(auth).toMatchObject({ keepUs: undefined });
  });

  it("goes part by part for a user who has much, and leaves a history that verifies", async () => {
    const { erase, verify } = erasureOf(engine());
    const events = Array.from({ length: 450 }, () => newEvent("much", of("user_mt5_status")));
    for (let n = 0; n < 10; n++) {
      await engine()
        .store()
        .append(events.map((event) => ({ ...event, ...newEvent("much", of("user_mt5_status")) })));
      await engine()
        .store()
        .append([newEvent("much")]);
    }
    expect(inShort(await erase("much"))).toEqual(["mt5_status ERASED 4500", "trades RESTRICTED 10"]);
    const rows = await engine().admin<{ n: number }>(
      "SELECT cardinality(seqs) AS n FROM hub.pruned WHERE user_id = 'much' ORDER BY id",
    );
    expect(rows.map(({ n }) => n)).toEqual([2000, 2000, 500]);
    expect(await verify("much")).toMatchObject({ events: 10n, gone: 4500n, faults: [] });
  });

  it("broken off anywhere has withheld all or nothing, and is taken up again", async () => {
    for (const failing of ["mark", "look", "remove"] as const) {
      const userId = `broken-${failing}`;
      await fill(engine(), userId, ["user_auth", "user_mt5_status", "user_trades"], 2);
      const store = engine().store().erasures();
      let calls = 0;
      const breaks = (which: typeof failing) => async () => {
        calls++;
        if (which === "remove" && calls === 1) return 0;
        throw new Error("broken off");
      };
      const broken = Object.assign(Object.create(store) as ErasureStore, {
        isOpened: () => true,
        mark: store.mark.bind(store),
        look: store.look.bind(store),
        remove: store.remove.bind(store),
        due: store.due.bind(store),
        [failing]: breaks(failing),
      });
      await expect(erasureOf(engine(), broken).erase(userId)).rejects.toThrow("broken off");
      const seen = (await engine().store().after(userId, EVENT_TABLES, 0n)).length;
      const [saved] = await engine()
        .store()
        .append([newEvent(userId)]);
      expect([failing, seen, isSaved(saved)]).toEqual([
        failing,
        failing === "mark" ? 6 : 0,
        failing === "mark",
      ]);
      const { resume, verify, foresee } = erasureOf(engine());
      expect(await resume()).toBe(failing === "mark" ? 0 : 1);
      expect(await verify(userId)).toMatchObject({ faults: [] });
      const kept = failing === "mark" ? 3 : 2;
      expect(inShort(await foresee(userId)).at(-1)).toBe(`trades RESTRICTED ${kept}`);
      expect((await verify(userId)).gone).toBe(failing === "mark" ? 0n : 4n);
    }
  });

  it("lets nothing of its user be saved or read after it was acknowledged, while many save", async () => {
    const { erase, foresee, verify } = erasureOf(engine());
    const store = engine().store();
    const [gone, others] = ["storm", ["calm-1", "calm-2", "calm-3"]];
    const counts = new Map<string, number>();
    const faults: string[] = [];
    let isErased = false;
    let isOver = false;
    const writer = async (n: number): Promise<void> => {
      for (let round = 0; !isOver; round++) {
        const wasErased = isErased;
        const users =
          n === 0 ? [gone] : [gone, others[round % 3] as string, others[(round + 1) % 3] as string];
        const events = users.map((userId, at) =>
          newEvent(userId, of(EVENT_TABLES[(round + at) % EVENT_TABLES.length] as EventTable)),
        );
        const outcomes = await store.append(events);
        for (const [at, userId] of users.entries()) {
          if (isSaved(outcomes[at])) counts.set(userId, (counts.get(userId) ?? 0) + 1);
          else if (userId !== gone || outcomes[at] !== "erased") faults.push(`${userId}: ${outcomes[at]}`);
          if (wasErased && userId === gone && isSaved(outcomes[at])) faults.push("saved after the erasure");
        }
      }
    };
    const reader = async (): Promise<void> => {
      while (!isOver) {
        const wasErased = isErased;
        const seen = await store.after(gone, EVENT_TABLES, 0n);
        if (wasErased && seen.length > 0) faults.push("read after the erasure");
      }
    };
    const running = Promise.all([writer(0), writer(1), writer(2), reader()]);
    await expect.poll(() => counts.get(gone) ?? 0, { timeout: 30_000 }).toBeGreaterThan(100);
    const outcomes = await erase(gone);
    isErased = true;
    const before = others.map((userId) => counts.get(userId) ?? 0);
    await expect
      .poll(() => others.every((userId, at) => (counts.get(userId) ?? 0) > (before[at] ?? 0) + 20), {
        timeout: 30_000,
      })
      .toBe(true);
    isOver = true;
    await running;
    expect(faults).toEqual([]);
    expect(await foresee(gone)).toEqual(outcomes);
    const { events, gone: removed, faults: broken } = await verify(gone);
    expect({ broken, all: events + removed }).toEqual({ broken: [], all: BigInt(counts.get(gone) ?? 0) });
    for (const userId of others) {
      expect(await verify(userId)).toMatchObject({
        faults: [],
        gone: 0n,
        events: BigInt(counts.get(userId) ?? 0),
      });
    }
  });

  it("hides what it restricts from every read but one that may see it, also with a page in hand", async () => {
    const { erase } = erasureOf(engine());
    const store = engine().store();
    await fill(engine(), "read", ["user_trades", "user_auth"], 3);
    await erase("read");
    const page = wholePage("read");
    expect(await store.page(page)).toMatchObject({ events: [], isMore: false });
    expect(await store.page({ ...page, beforeId: "01ffffff-ffff-7fff-bfff-ffffffffffff" })).toMatchObject({
      events: [],
    });
    expect(await store.after("read", EVENT_TABLES, 0n)).toEqual([]);
    expect(await store.count("read", EVENT_TABLES)).toBe(0n);
    expect((await store.page({ ...page, hasRestricted: true })).events).toHaveLength(3);
    expect(await store.after("read", EVENT_TABLES, 0n, true)).toHaveLength(3);
    expect(await store.count("read", EVENT_TABLES, true)).toBe(3n);
    // And no transaction after it has it still.
    expect(await store.after("read", EVENT_TABLES, 0n)).toEqual([]);
    await fill(engine(), "unread", ["user_trades"], 1);
    expect(await store.restricted("unread", EVENT_TABLES, 0n)).toEqual([]);
  });

  it("finds its user among several databases, and carries on in each", async () => {
    const { rule } = erasureOf(engine());
    const calls: string[] = [];
    const store = (name: string) => ({
      ...{ isOpened: () => true, remove: async () => 0, due: async () => [] },
      mark: async ({ userId }: { userId: string }) => void calls.push(`${name} ${userId}`),
      look: async (...[order, tables, judge]: Parameters<ErasureStore["look"]>) =>
        (await engine().store().erasures().look(order, tables, judge)) as never,
    });
    const stores = [store("a"), store("b")] as unknown as ErasureStore[];
    const signer = async () =>
      historySigner(
        generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      );
    const erasure = new Erasure(rule, stores, (bucket) => (bucket < 512 ? 0 : 1), signer);
    const users = ["user-0", "user-1", "user-2", "user-3"];
    for (const userId of users)
      await erasure.erase({ userId, reason: "r", author: "a" }, new AbortController().signal);
    expect(calls).toEqual(users.map((userId) => `${bucketOf(userId) < 512 ? "a" : "b"} ${userId}`));
    expect(new Set(calls.map(([name]) => name)).size).toBe(2);
  });
});
