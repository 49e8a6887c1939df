import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "pg";
import type { IngestBounds } from "../../data/ingest.ts";
import { HubError } from "../../errors.ts";
import type { Logger } from "../../telemetry/logger.ts";
import { Database } from "./database.ts";
import { toFailure, unavailable } from "./failure.ts";
import { appliedMigrations, migrate, migrationsOf } from "./migrate.ts";
import type { ThreadImports } from "./pglite.ts";
import { selfCheck } from "./self-check.ts";
import { sessionDatabase } from "./session-stream.ts";

/** Where user data is kept. */
export type Place =
  | {
      /** In this process, in a directory of its own. */
      readonly embeddedIn: string;
      /** The program of its thread, which serves it with `serveEmbedded`. */
      readonly program: URL;
      /** Takes the directory for this process alone; throws when another has it. */
      readonly lock: () => { release(): void };
    }
  | {
      readonly url: string;
      /** Of a login that may run migrations; empty: somebody else runs them. */
      readonly adminUrl: string;
      /** Whether the login of `url` may be one that bypasses row security. It runs the migrations then. */
      readonly mayBypass: boolean;
    };

/** How to open it. */
export interface OpenOptions {
  readonly place: Place;
  /** The directory of the migrations. */
  readonly migrations: string;
  /** Batches that are appended at a time. */
  readonly lanes: number;
  /** Connections for everything else. */
  readonly connections: number;
  /** Months after this one that partitions are made for. */
  readonly monthsAhead: number;
  /** Whether each event also gets a row in the outbox. */
  readonly hasOutbox: boolean;
  /** Of what waits to be stored by an embedded database itself. */
  readonly bounds: IngestBounds;
  readonly logger: Logger;
}

/** An open database: migrated, checked, and with partitions for the months to come. */
export interface OpenDatabase {
  readonly appends: Database;
  readonly reads: Database;
  /** Where calls with many events are read and stored; undefined: here. */
  readonly imports: ThreadImports | undefined;
  /** Ends when the database has gone for good and must be opened anew; undefined where it comes back by itself. */
  readonly lost: Promise<void> | undefined;
  /** For the relay of the outbox, so that it takes no connection from callers. */
  readonly relays: Database;
  /** For what removes events that are kept no longer; one at a time. */
  readonly keeps: Database;
  /** Makes partitions ahead, and throws DATABASE_UNFIT when the self-check finds anything. */
  inspect(): Promise<void>;
  close(): Promise<void>;
}

const CONNECT_MS = 3_000;
const TRANSACTION_MS = 5_000;
/** Nobody waits for it, and it may wait for what else keeps or removes events. */
const KEEP_MS = 15_000;
const RELAY_CONNECTIONS = 2;
const SHOWN_FAULTS = 3;

/** Opens the database. Throws DATABASE_UNAVAILABLE, or DATABASE_UNFIT with what is wrong and what to do. */
export async function openDatabase(options: OpenOptions): Promise<OpenDatabase> {
  const opened =
    "embeddedIn" in options.place ? await embedded(options.place, options) : server(options.place, options);
  try {
    await bringUpToDate(opened.appends, options);
    const inspect = () => inspectDatabase(opened.appends, options);
    await inspect();
    return { ...opened, inspect };
  } catch (error) {
    await opened.close().catch(() => {});
    throw openingFailure(error);
  }
}

function openingFailure(error: unknown): HubError {
  const failure = toFailure(error);
  if (failure instanceof HubError) return failure;
  const why = failure instanceof Error ? failure.message : String(failure);
  return new HubError("DATABASE_UNFIT", `the database of user data could not be opened: ${why}`, {
    cause: error,
  });
}

type Opened = Omit<OpenDatabase, "inspect">;

async function embedded(
  { embeddedIn, program, lock }: Extract<Place, { embeddedIn: string }>,
  { bounds, hasOutbox }: OpenOptions,
): Promise<Opened> {
  await mkdir(embeddedIn, { recursive: true, mode: 0o700 });
  const held = tryLock(lock);
  try {
    const { openEmbedded } = await import("./pglite.ts");
    const engine = await openEmbedded(program, { directory: join(embeddedIn, "data"), bounds, hasOutbox });
    const database = sessionDatabase(() => engine.openStream());
    const close = async (): Promise<void> => {
      await database.close();
      await engine.close();
      held.release();
    };
    return {
      appends: database,
      reads: database,
      relays: database,
      keeps: database,
      imports: engine.imports,
      lost: engine.ended,
      close,
    };
  } catch (error) {
    held.release();
    throw unavailable(error);
  }
}

function tryLock(lock: () => { release(): void }): { release(): void } {
  try {
    return lock();
  } catch (error) {
    throw new HubError("DATABASE_UNFIT", error instanceof Error ? error.message : String(error), {
      cause: error,
    });
  }
}

function server({ url }: Extract<Place, { url: string }>, { lanes, connections }: OpenOptions): Opened {
  const common = {
    connectionString: url,
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
    idleTimeoutMillis: 60_000,
    application_name: "central-hub",
  };
  const appends = new Database({ pool: { ...common, max: lanes }, transactionMs: TRANSACTION_MS });
  const reads = new Database({ pool: { ...common, max: connections }, transactionMs: TRANSACTION_MS });
  const relays = new Database({ pool: { ...common, max: RELAY_CONNECTIONS }, transactionMs: TRANSACTION_MS });
  const keeps = new Database({ pool: { ...common, max: 1 }, transactionMs: KEEP_MS });
  const close = async (): Promise<void> => {
    await Promise.all([appends, reads, relays, keeps].map((each) => each.close()));
  };
  return { appends, reads, relays, keeps, imports: undefined, lost: undefined, close };
}

async function bringUpToDate(database: Database, { place, migrations, logger }: OpenOptions): Promise<void> {
  let applied: readonly string[] = [];
  if ("embeddedIn" in place || (place.mayBypass && !place.adminUrl)) {
    applied = await database.lend((client) => migrate(client, migrations));
  } else if (place.adminUrl) {
    const client = new Client({ connectionString: place.adminUrl, connectionTimeoutMillis: CONNECT_MS });
    client.on("error", () => {});
    try {
      await client.connect();
      applied = await migrate(client, migrations);
    } catch (error) {
      throw unavailable(error);
    } finally {
      await client.end().catch(() => {});
    }
  }
  if (applied.length > 0) logger.info({ applied }, "the database of user data was migrated");
}

async function inspectDatabase(
  database: Database,
  { place, migrations, monthsAhead }: OpenOptions,
): Promise<void> {
  const mayBypass = "embeddedIn" in place || place.mayBypass;
  // Whoever may not is told by the check that partitions are missing, once they are.
  await database
    .once(
      "hub_retention",
      { userId: "" },
      { text: "SELECT hub.create_partitions($1)", values: [monthsAhead] },
    )
    .catch((error: unknown) => {
      if (error instanceof HubError && error.reason === "DATABASE_UNAVAILABLE") throw error;
    });
  const faults = [...(await database.lend((client) => selfCheck(client, { mayBypass })))];
  if (faults.length === 0) {
    const applied = new Set(await appliedMigrations(database));
    const missing = (await migrationsOf(migrations)).filter((name) => !applied.has(name));
    if (missing.length > 0)
      faults.push(
        `migrations have not been applied: ${missing.join(", ")}; set DATABASE_ADMIN_URL to a login that may`,
      );
  }
  if (faults.length === 0) return;
  const shown = faults.slice(0, SHOWN_FAULTS).join("; ");
  const more = faults.length > SHOWN_FAULTS ? `; and ${faults.length - SHOWN_FAULTS} more` : "";
  throw new HubError("DATABASE_UNFIT", `the database is not fit to hold user data: ${shown}${more}`);
}
