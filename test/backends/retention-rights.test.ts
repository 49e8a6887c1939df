import { expect, it } from "vitest";
import { sharedPostgres } from "../support/servers/shared.ts";
import { describeWith } from "../support/toolchains.ts";
import { describeEngines, postgresEngine } from "../support/user-data/engine.ts";
import { newEvent, wholePage } from "../support/user-data/events.ts";
import { attempt } from "../support/user-data/isolation.ts";
import { eventIdAt, makeMonth } from "../support/user-data/old-months.ts";

const AUTH = { table: "user_auth", dataType: "auth", eventType: "login" } as const;
const DENIED = "42501";
const PRUNE = "SELECT hub.prune_partition($1, 'auth', '{auth}') AS events";

await describeEngines("the way in which months go", (engine) => {
  const month = async (name: string, userId: string): Promise<string> => {
    const partition = await makeMonth(engine(), "user_auth", name);
    const from = Date.parse(`${name}-01T00:00:00Z`);
    const events = [1, 2, 3].map((n) => newEvent(userId, { ...AUTH, eventId: eventIdAt(from + n) }));
    await engine().store().append(events);
    return partition;
  };
  const asRole = async (
    role: Parameters<typeof attempt>[1],
    text: string,
    values: readonly unknown[] = [],
  ): ReturnType<typeof attempt> => {
    const { keeps } = await engine().store().open();
    return await keeps.lend((client) => attempt(client, role, {}, text, [...values]));
  };
  const stays = async (userId: string): Promise<void> => {
    expect((await engine().store().page(wholePage(userId, "user_auth"))).events).toHaveLength(3);
  };

  it("is open to retention alone, and only in its outer form", async () => {
    const partition = await month("2019-01", "m1");
    for (const role of ["hub_append", "hub_read", "hub_relay"] as const) {
      expect(await asRole(role, PRUNE, [partition])).toBe(DENIED);
      expect(await asRole(role, "SELECT hub.held_users('auth', '{}')")).toBe(DENIED);
    }
    const inner = "SELECT hub.prune_seen_partition($1, 'auth', '{auth}')";
    expect(await asRole("hub_retention", inner, [partition])).toBe(DENIED);
    expect(await asRole("hub_retention", "CALL hub.let_prune('user_auth')")).toBe(DENIED);
    expect(await asRole("hub_retention", `DROP TABLE hub.${partition}`)).toBe(DENIED);
    await stays("m1");
  });

  it("takes nothing but partitions of events whose month is past", async () => {
    const store = engine().store();
    await store.append([newEvent("m2", AUTH)]);
    const names = ["user_auth", "user_head", "pruned", "pg_class", "", "x; DROP TABLE hub.user_head", 'a"b'];
    for (const name of names) {
      expect([name, await asRole("hub_retention", PRUNE, [name])]).toEqual([name, [{ events: null }]]);
    }
    const now = new Date().toISOString().slice(0, 7).replace("-", "_");
    expect(await asRole("hub_retention", PRUNE, [`user_auth_${now}`])).toBe("HU002");
    expect((await store.page(wholePage("m2", "user_auth"))).events).toHaveLength(1);
  });

  it("takes no event without its record, with that of another, or with one of another data type", async () => {
    const partition = await month("2019-02", "m3");
    const draft = (hashes: string, type = "auth") =>
      engine().admin(
        `INSERT INTO hub.prune_draft
            (partition_name, user_id, data_type, reason, pruned_at, seqs, hashes, newest_seq, key_id, signature)
          SELECT '${partition}', 'm3', '${type}', 'retention', now(), array_agg(seq ORDER BY seq), ${hashes}, max(seq), 'k', 's'
          FROM hub.user_auth WHERE user_id = 'm3'`,
      );
    const take = () => asRole("hub_retention", PRUNE, [partition]);
    expect(await take()).toBe("HU001");
    for (const [hashes, type] of [
      ["array_agg(prev_hash ORDER BY seq)", "auth"],
      ["array_agg(hash ORDER BY seq DESC)", "auth"],
      ["array_agg(hash ORDER BY seq)", "trades"],
    ] as const) {
      await draft(hashes, type);
      expect(await take()).toBe("HU001");
      await engine().admin("DELETE FROM hub.prune_draft");
    }
    // More than there is.
    await draft("array_agg(hash ORDER BY seq)");
    await engine().admin(
      `INSERT INTO hub.prune_draft
          (partition_name, user_id, data_type, reason, pruned_at, seqs, hashes, newest_seq, key_id, signature)
        VALUES ('${partition}', 'm3', 'auth', 'retention', now(), '{999}', '{x}', 999, 'k', 's')`,
    );
    expect(await take()).toBe("HU001");
    await engine().admin("DELETE FROM hub.prune_draft WHERE newest_seq = 999");
    // The right ones are taken; the attempt undoes it.
    expect(await take()).toEqual([{ events: "3" }]);
    await stays("m3");
    await engine().admin("DELETE FROM hub.prune_draft");
  });

  it("leaves the owner blind again, and the time to wait for locks as it was", async () => {
    const partition = await month("2019-03", "m4");
    await engine().store().setHold({ userId: "m4", dataTypes: [], reason: "r", author: "a" });
    const { keeps } = await engine().store().open();
    const after = await keeps.lend(async (client) => {
      await client.query("BEGIN; SET LOCAL ROLE hub_retention; SET LOCAL lock_timeout = '3s'");
      await client.query(PRUNE, [partition]);
      const { rows } = await client.query(
        "SELECT current_setting('app.pruning') AS pruning, current_setting('lock_timeout') AS wait, current_user AS role",
      );
      await client.query("ROLLBACK");
      return rows;
    });
    expect(after).toEqual([{ pruning: "", wait: "3s", role: "hub_retention" }]);
    await stays("m4");
  });
});

await describeWith("a hold that is being set at PostgreSQL", sharedPostgres, (server) => {
  it("waits for what is being removed", async () => {
    const engine = await postgresEngine(await server.createDatabase());
    const store = engine.store();
    const { keeps } = await store.open();
    const release = Promise.withResolvers<void>();
    const taken = Promise.withResolvers<void>();
    const holding = keeps.lend(async (client) => {
      await client.query("BEGIN; SELECT pg_advisory_xact_lock(724186532, 2)");
      taken.resolve();
      await release.promise;
      await client.query("COMMIT");
    });
    await taken.promise;
    let isSet = false;
    const setting = store
      .setHold({ userId: "m5", dataTypes: [], reason: "r", author: "a" })
      .then(() => (isSet = true));
    await expect
      .poll(
        async () =>
          (await engine.admin("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")).length,
      )
      .toBeGreaterThan(0);
    expect(isSet).toBe(false);
    release.resolve();
    await Promise.all([holding, setting]);
    expect(isSet).toBe(true);
    await engine.close();
  });
});
