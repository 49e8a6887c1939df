import { randomBytes } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Client, type QueryResultRow } from "pg";
import { afterAll, beforeAll, describe } from "vitest";
import type { Place } from "../../../src/adapters/postgres/opening.ts";
import {
  PostgresUserEventStore,
  type StoreOptions,
} from "../../../src/adapters/postgres/user-event-store.ts";
import { MIGRATIONS_DIR, type Settings } from "../../../src/settings/settings.ts";
import { silentLogger } from "../../../src/telemetry/logger.ts";
import type { Database } from "../servers/postgres.ts";
import { type SharedPostgres, sharedPostgres } from "../servers/shared.ts";
import { describeWith } from "../toolchains.ts";

/** The program of the thread that PGlite lives in. */
export const EMBEDDED_PROGRAM = new URL("../../../src/embedded-thread.ts", import.meta.url);

/** An empty database of one's own, of one kind or the other. */
export interface Engine {
  readonly kind: "PGlite" | "PostgreSQL";
  readonly place: Place;
  /** What a hub needs to be told to use it. */
  readonly settings: Partial<Settings>;
  /** Runs one statement with every right. On PGlite only while the store of this engine is open, in its session. */
  admin<Row extends QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** A store over it; the same one each time. */
  store(): PostgresUserEventStore;
  close(): Promise<void>;
}

/** Declares the same suite for both kinds, and for PostgreSQL of the newest version beside the installed one; the engine is there while its tests run. */
export async function describeEngines(
  name: string,
  suite: (engine: () => Engine) => void,
  options: Partial<StoreOptions> = {},
): Promise<void> {
  const withEngine = (open: () => Promise<Engine>): void => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await open();
    });
    afterAll(() => engine.close());
    suite(() => engine);
  };
  describe(`${name}, on PGlite`, () => withEngine(() => openPglite(options)));
  const onServer = (server: SharedPostgres): void =>
    withEngine(async () => await postgresEngine(await server.createDatabase(), options));
  await describeWith(`${name}, on PostgreSQL`, () => sharedPostgres(), onServer);
  await describeWith(`${name}, on PostgreSQL 18`, () => sharedPostgres(18), onServer);
}

// V8 may end the process when a thread ends whose PGlite was the last to use its code (nodejs/node#64500). A process of tests
// opens and closes many, so it keeps the code for all of them.
const PGLITE_DIR = dirname(createRequire(import.meta.url).resolve("@electric-sql/pglite"));
let code: Promise<readonly object[]> | undefined;
// The types of Node have no value of that name.
const { WebAssembly: wasm } = globalThis as unknown as {
  readonly WebAssembly: { compile(bytes: Uint8Array): Promise<object> };
};

function keepCode(): Promise<readonly object[]> {
  const compile = async (file: string): Promise<object> =>
    await wasm.compile(await readFile(join(PGLITE_DIR, file)));
  code ??= Promise.all(["pglite.wasm", "initdb.wasm"].map(compile));
  return code;
}

/** PGlite in a directory of its own, or in the directory of a hub that is not running, which stays. */
export async function openPglite(options: Partial<StoreOptions> = {}, ofHub?: string): Promise<Engine> {
  await keepCode();
  const dataDir = ofHub ?? (await mkdtemp(join(tmpdir(), "central-hub-pglite-")));
  const embeddedIn = join(dataDir, "pglite");
  const place: Place = { embeddedIn, program: EMBEDDED_PROGRAM, lock: () => ({ release() {} }) };
  const store = new PostgresUserEventStore(storeOptions(place, options));
  return {
    kind: "PGlite",
    place,
    settings: { dataDir },
    admin: async (text, values = []) => {
      const { appends } = await store.open();
      return await appends.lend(async (client) => (await client.query(text, values)).rows);
    },
    store: () => store,
    close: async () => {
      await store.close();
      if (ofHub === undefined) await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** A database on a server, which the hub uses by a login that can do no more than it needs. */
export async function postgresEngine(
  database: Database,
  options: Partial<StoreOptions> = {},
): Promise<Engine> {
  const login = `hub_test_${randomBytes(6).toString("hex")}`;
  const admin = new Client({ connectionString: database.url });
  admin.on("error", () => {});
  await admin.connect();
  // The roles come with the first migration, so the login is made a member of them after it.
  const bootstrap = new PostgresUserEventStore(
    storeOptions({ url: database.url, adminUrl: "", mayBypass: true }, {}),
  );
  await bootstrap.open();
  await bootstrap.close();
  await admin.query(
    `CREATE ROLE ${login} LOGIN NOINHERIT PASSWORD '${login}' IN ROLE hub_append, hub_read, hub_relay, hub_retention`,
  );
  const url = new URL(database.url);
  url.username = login;
  url.password = login;
  const place: Place = { url: url.href, adminUrl: database.url, mayBypass: false };
  const store = new PostgresUserEventStore(storeOptions(place, options));
  return {
    kind: "PostgreSQL",
    place,
    settings: { databaseUrl: place.url, databaseAdminUrl: database.url },
    admin: async (text, values = []) => (await admin.query(text, values)).rows,
    store: () => store,
    close: async () => {
      await store.close();
      await database.drop().catch(() => {});
      await admin.end().catch(() => {});
    },
  };
}

function storeOptions(place: Place, options: Partial<StoreOptions>): StoreOptions {
  return {
    place,
    migrations: MIGRATIONS_DIR,
    lanes: 4,
    connections: 4,
    monthsAhead: 3,
    hasOutbox: false,
    bounds: { events: 50_000, eventsPerUser: 5_000 },
    logger: silentLogger,
    ...options,
  };
}
