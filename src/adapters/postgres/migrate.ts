import { readdir } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client, PoolClient } from "pg";
import type { Database } from "./database.ts";

/** The schema and table that tell what has been applied; migration 1 lets hub_read look at them. */
const SCHEMA = "hub_migrations";
const TABLE = "applied";
const TRIES = 5;

/**
 * Applies the migrations of a directory that have not been. Of several hubs that start at once one does it and the others
 * wait. Returns the names of those that were applied.
 */
export async function migrate(client: Client | PoolClient, directory: string): Promise<readonly string[]> {
  // Only who has something to migrate needs it.
  const { runner } = await import("node-pg-migrate/runner");
  for (let tries = 1; ; tries++) {
    try {
      const applied = await runner({
        dbClient: client,
        dir: directory,
        direction: "up",
        migrationsSchema: SCHEMA,
        createMigrationsSchema: true,
        migrationsTable: TABLE,
        singleTransaction: true,
        advisoryLockMode: "wait",
        logger: { debug() {}, info() {}, warn() {}, error() {} },
      });
      return applied.map(({ name }) => name);
    } catch (error) {
      // Roles are common to all databases of a server, and the lock is of one database.
      if (tries === TRIES || !/tuple concurrently (updated|deleted)/.test(String(error))) throw error;
      await sleep(50 * tries);
    }
  }
}

/** The names of the migrations of a directory, in order. */
export async function migrationsOf(directory: string): Promise<readonly string[]> {
  const files = await readdir(directory);
  return files
    .filter((file) => file.endsWith(".sql"))
    .map((file) => file.slice(0, -".sql".length))
    .sort();
}

/** The names of the migrations that a database has seen. */
export async function appliedMigrations(database: Database): Promise<readonly string[]> {
  const rows = await database.once<{ name: string }>(
    "hub_read",
    { userId: "" },
    {
      text: `SELECT name FROM ${SCHEMA}.${TABLE}`,
    },
  );
  return rows.map(({ name }) => name);
}
