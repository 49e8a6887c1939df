import { beforeAll, expect, it } from "vitest";
import { POLICIES } from "../../src/adapters/postgres/expected-schema.ts";
import { EVENT_TABLES } from "../../src/data/event-tables.ts";
import { describeEngines, type Engine } from "../support/user-data/engine.ts";
import { ALICE, attempt, BOB, eventTableFaults, seed } from "../support/user-data/isolation.ts";
import { otherTableFaults } from "../support/user-data/isolation-others.ts";
import { ownerFaults } from "../support/user-data/owner.ts";

const isEvents = (table: string): boolean => EVENT_TABLES.some((each) => each === table);

async function partitionOf(engine: Engine, table: string): Promise<string> {
  const [row] = await engine.admin<{ name: string }>(
    "SELECT max(c.relname) AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = $1::regclass",
    [`hub.${table}`],
  );
  return row?.name ?? "";
}

async function faultsOf(engine: Engine, table: string): Promise<string[]> {
  const partition = isEvents(table) ? await partitionOf(engine, table) : "";
  const { appends } = await engine.store().open();
  const faults = await appends.lend((client) =>
    partition ? eventTableFaults(client, table, partition) : otherTableFaults(client, table),
  );
  return [...faults, ...(await ownerFaults(engine, table))];
}

// The self-check, as it runs at the start and every minute.
async function selfCheck(engine: Engine): Promise<string> {
  const { inspect } = await engine.store().open();
  return await inspect().then(
    () => "fit",
    (error: { reason: string; message: string }) => `${error.reason}: ${error.message}`,
  );
}

await describeEngines("user data of each user", (engine) => {
  beforeAll(() => seed(engine()));

  it.each([...POLICIES.keys()])("is apart from that of all others in %s", async (table) => {
    expect(await faultsOf(engine(), table)).toEqual([]);
  });

  it("is not seen by the owner of the tables either, in parents and partitions", async () => {
    const tables = [...POLICIES.keys()].filter((table) => table !== "page_token_key");
    const partitions: string[] = [];
    for (const table of EVENT_TABLES) partitions.push(await partitionOf(engine(), table));
    await engine().admin("SET ROLE hub_owner");
    try {
      for (const table of [...tables, ...partitions]) {
        expect([table, await engine().admin(`SELECT FROM hub.${table}`)]).toEqual([table, []]);
      }
    } finally {
      await engine().admin("RESET ROLE");
    }
  });

  it("is guarded in every relation that names a user, with nothing granted to everybody or past a parent", async () => {
    const rows = await engine().admin<{ name: string; guarded: boolean; loose: boolean }>(
      `SELECT c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS guarded,
          EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner AND (a.grantee = 0 OR c.relispartition)) AS loose
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'user_id'
        WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)`,
    );
    expect(rows.length).toBeGreaterThan(8 * 4);
    expect(rows.filter(({ guarded, loose }) => !guarded || loose)).toEqual([]);
    const functions = await engine().admin(
      `SELECT proname FROM pg_proc WHERE pronamespace = 'hub'::regnamespace
        AND (prosecdef OR prokind = 'p') AND NOT coalesce(proconfig::text, '') LIKE '%search_path=%pg_catalog%'`,
    );
    expect(functions).toEqual([]);
    const makers = await engine().admin(
      `SELECT has_schema_privilege(r, 'hub', 'CREATE') AS may FROM unnest('{hub_append,hub_read,hub_relay,hub_retention}'::text[]) r`,
    );
    expect(makers).toEqual(Array(4).fill({ may: false }));
  });

  it("is judged before any function of a query sees it, whatever the plan", async () => {
    await engine().admin("CREATE SCHEMA leaks");
    await engine().admin(
      `CREATE FUNCTION leaks.f_leak(text) RETURNS bool COST 0.0000001 LANGUAGE plpgsql AS
        $$ BEGIN IF $1 <> '${ALICE}' THEN RAISE EXCEPTION 'leaked %', $1; END IF; RETURN true; END $$`,
    );
    await engine().admin("GRANT USAGE ON SCHEMA leaks TO hub_read; ");
    const { appends } = await engine().store().open();
    try {
      await appends.lend(async (client) => {
        for (const off of [
          "work_mem",
          "enable_indexscan",
          "enable_bitmapscan",
          "enable_seqscan",
          "enable_indexonlyscan",
        ]) {
          if (off !== "work_mem") await client.query(`SET ${off} = off`);
          const rows = await attempt(
            client,
            "hub_read",
            { user: ALICE },
            "SELECT user_id FROM hub.user_trades WHERE leaks.f_leak(user_id)",
          );
          await client.query(`RESET ${off}`);
          expect([off, rows]).toEqual([off, [{ user_id: ALICE }]]);
        }
      });
    } finally {
      await engine().admin("DROP SCHEMA leaks CASCADE");
    }
  });

  it("is refused, not filtered, to a reader who turns row security off", async () => {
    const { appends } = await engine().store().open();
    const outcome = await appends.lend(async (client) => {
      await client.query("SET row_security = off");
      try {
        return await attempt(client, "hub_read", { user: ALICE }, "SELECT FROM hub.user_trades");
      } finally {
        await client.query("RESET row_security");
      }
    });
    expect(outcome).toBe("42501");
  });

  it("has its users' settings gone when a transaction has ended", async () => {
    const { appends } = await engine().store().open();
    await engine()
      .store()
      .append([])
      .catch(() => {});
    await appends.once("hub_append", { userIds: [BOB] }, { text: "SELECT 1" });
    await appends.once("hub_read", { userId: BOB }, { text: "SELECT 1" });
    const left = await appends.lend((client) =>
      client.query(
        "SELECT current_setting('app.user_id', true) AS one, current_setting('app.user_ids', true) AS many, current_user = session_user AS own",
      ),
    );
    expect(left.rows).toEqual([{ one: "", many: "", own: true }]);
  });
});

await describeEngines("a change of what guards user data", (engine) => {
  beforeAll(() => seed(engine()));

  const policies = [...POLICIES].flatMap(([table, all]) => all.map((policy) => ({ table, ...policy })));
  const restore = ({ table, name, command, roles, using, check }: (typeof policies)[number]): string => {
    const [to, how, and] = [
      roles.slice(1, -1),
      using === null ? "" : `USING (${using})`,
      check === null ? "" : `WITH CHECK (${check})`,
    ];
    return `CREATE POLICY ${name} ON hub.${table} FOR ${command} TO ${to} ${how} ${and}`;
  };
  // What each user's data is apart by must be seen to be missing by the checks of behavior and by the self-check.
  const seen = async (table: string): Promise<{ checks: string; selfCheck: string }> => {
    const faults = await faultsOf(engine(), table);
    return {
      checks: faults.length > 0 ? "red" : "green",
      selfCheck: (await selfCheck(engine())).split(":")[0] ?? "",
    };
  };
  const RED = { checks: "red", selfCheck: "DATABASE_UNFIT" };

  it.each(policies)("is seen when policy $name of $table is dropped", async (policy) => {
    const { table, name } = policy;
    await engine().admin(`DROP POLICY ${name} ON hub.${table}`);
    expect(await seen(table)).toEqual(RED);
    await engine().admin(restore(policy));
    expect(await selfCheck(engine())).toBe("fit");
  });

  const guarding = policies.filter(({ using, check }) => (using ?? check) !== "true");
  const textOf = ({ using, check }: (typeof policies)[number]): string => using ?? check ?? "";
  for (const [what, change] of [
    ["is widened by OR true", (text: string) => `${text} OR true`],
    ["lacks NULLIF", (text: string) => text.replace(/NULLIF\((current_setting\([^)]*\)), ''::text\)/, "$1")],
  ] as const) {
    it.each(guarding.filter((policy) => change(textOf(policy)) !== textOf(policy)))(
      `is seen when policy $name of $table ${what}`,
      async (policy) => {
        const { table, name, using, check } = policy;
        const how = using === null ? "" : `USING (${change(using)})`;
        const and = check === null ? "" : `WITH CHECK (${change(check)})`;
        await engine().admin(`ALTER POLICY ${name} ON hub.${table} ${how} ${and}`);
        expect(await seen(table)).toEqual(RED);
        await engine().admin(`DROP POLICY ${name} ON hub.${table}`);
        await engine().admin(restore(policy));
      },
    );
  }

  it.each(policies.filter(({ using }) => using?.includes("hub.erasure")))(
    "is seen when policy $name of $table shows what is left of erased users",
    async (policy) => {
      const { table, name, using } = policy;
      const own = using?.slice(1, using.indexOf(" AND "));
      await engine().admin(`ALTER POLICY ${name} ON hub.${table} USING (${own})`);
      expect(await seen(table)).toEqual(RED);
      await engine().admin(`ALTER POLICY ${name} ON hub.${table} USING (${using})`);
      expect(await selfCheck(engine())).toBe("fit");
    },
  );

  it.each(["user_trades", "user_head", "outbox", "erasure"])(
    "is seen when row security of %s is off",
    async (table) => {
      await engine().admin(`ALTER TABLE hub.${table} DISABLE ROW LEVEL SECURITY`);
      expect(await seen(table)).toEqual(RED);
      await engine().admin(`ALTER TABLE hub.${table} ENABLE ROW LEVEL SECURITY`);
    },
  );

  it.each([
    [
      "force is taken from a parent",
      "ALTER TABLE hub.user_trades NO FORCE ROW LEVEL SECURITY",
      "ALTER TABLE hub.user_trades FORCE ROW LEVEL SECURITY",
    ],
    [
      "force is taken from a partition",
      "ALTER TABLE hub.PART NO FORCE ROW LEVEL SECURITY",
      "ALTER TABLE hub.PART FORCE ROW LEVEL SECURITY",
    ],
    [
      "a partition is granted",
      "GRANT SELECT ON hub.PART TO hub_read",
      "REVOKE SELECT ON hub.PART FROM hub_read",
    ],
    [
      "a table is granted to everybody",
      "GRANT SELECT ON hub.user_trades TO PUBLIC",
      "REVOKE SELECT ON hub.user_trades FROM PUBLIC",
    ],
    [
      "a policy is added",
      "CREATE POLICY more ON hub.user_trades TO PUBLIC USING (true)",
      "DROP POLICY more ON hub.user_trades",
    ],
    ["a table is added", "CREATE TABLE hub.more (user_id text)", "DROP TABLE hub.more"],
  ])(
    "is seen by the self-check when %s, and user data is not served until it is undone",
    async (_, change, undo) => {
      const partition = await partitionOf(engine(), "user_trades");
      await engine().admin(change.replace("PART", partition));
      expect(await selfCheck(engine())).toMatch(/^DATABASE_UNFIT: the database is not fit/);
      await engine().admin(undo.replace("PART", partition));
      expect(await selfCheck(engine())).toBe("fit");
    },
  );
});
