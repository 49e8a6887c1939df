import { Client } from "pg";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type PostgresServer, startPostgres } from "../support/servers/postgres.ts";
import { postgresProgram } from "../support/servers/postgres-program.ts";
import { describeWith } from "../support/toolchains.ts";

/** Connects, works, and is gone, also when the server is. */
async function connected<Result>(url: string, work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 });
  client.on("error", () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

for (const major of [15, 18] as const) {
  await describeWith(
    `PostgreSQL ${major} for tests`,
    () => postgresProgram(major),
    () => {
      let postgres: PostgresServer;
      beforeAll(async () => {
        postgres = await startPostgres({ major, password: "owner's %secret" });
      });
      afterAll(() => postgres?.stop());

      it("is of that version, and lets nobody in without the password", async () => {
        const { rows } = await connected(postgres.url, (client) => client.query("SHOW server_version"));
        expect(rows[0].server_version).toMatch(new RegExp(`^${major}\\.`));
        const url = new URL(postgres.url);
        url.password = "wrong";
        await expect(connected(url.href, (client) => client.query("SELECT 1"))).rejects.toThrow(/password/);
      });

      it("keeps over a crash what it acknowledged, and nothing of a transaction that was open", async () => {
        const { url } = await postgres.createDatabase();
        await connected(url, async (client) => {
          await client.query("CREATE TABLE events (id int)");
          await client.query("INSERT INTO events SELECT generate_series(1, 1000)");
          await client.query("BEGIN");
          await client.query("INSERT INTO events VALUES (1001)");
          await postgres.kill();
          await expect(client.query("COMMIT")).rejects.toThrow();
        });
        await expect(connected(url, (client) => client.query("SELECT 1"))).rejects.toThrow(/ECONNREFUSED/);
        await postgres.restart();
        const { rows } = await connected(url, (client) =>
          client.query("SELECT count(*)::int AS n FROM events"),
        );
        expect(rows[0].n).toBe(1000);
      });

      it("says nothing while it is held still, not even to whoever is connected", async () => {
        await connected(postgres.url, async (client) => {
          await client.query("SELECT 1");
          postgres.pause();
          const late = client.query("SELECT 2 AS answer");
          const silence = new Promise((resolve) => setTimeout(resolve, 300, "silence"));
          expect(await Promise.race([late, silence])).toBe("silence");
          postgres.resume();
          expect((await late).rows[0].answer).toBe(2);
        });
      });

      it("gives everyone a database of his own, for as long as he wants it", async () => {
        const [one, other] = [await postgres.createDatabase(), await postgres.createDatabase()];
        await connected(one.url, (client) => client.query("CREATE TABLE mine (id int)"));
        await expect(connected(other.url, (client) => client.query("TABLE mine"))).rejects.toThrow(
          /does not exist/,
        );
        await one.drop();
        await expect(connected(one.url, (client) => client.query("SELECT 1"))).rejects.toThrow(
          /does not exist/,
        );
        await other.drop();
      });
    },
  );
}
