import { Socket } from "node:net";
import pg from "pg";
import { HubError } from "../../errors.ts";
import type { Probe, Reading } from "../../health/probe.ts";
import { failure, ok, unknown, wrong } from "../../health/reading.ts";
import type { Target } from "../../health/targets.ts";

/** The oldest line that the hub's own data may live on. */
const VERSION_FLOOR = 15;
/** Share of the connections in use that is worth a warning. */
const CROWDED = 0.9;

const QUESTION = `
  SELECT current_setting('server_version') AS version,
         current_setting('server_version_num')::int / 10000 AS major,
         pg_is_in_recovery() AS is_replica,
         current_setting('max_connections')::int AS max_connections,
         (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
         (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS timescaledb,
         EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb') AS has_timescaledb`;

interface Row {
  readonly version: string;
  readonly major: number;
  readonly is_replica: boolean;
  readonly max_connections: number;
  readonly connections: number;
  readonly timescaledb: string | null;
  readonly has_timescaledb: boolean;
}

/** Asks a PostgreSQL server, with or without TimescaleDB, over a connection of its own: that it takes one is asked too. */
export function openPostgresProbe({ address }: Target): Probe {
  const { connectionString, where } = readAddress(address);
  return {
    check: async (signal) => {
      try {
        return judge(await ask(connectionString, signal));
      } catch (error) {
        return explainFailure(error, where);
      }
    },
    close: async () => {},
  };
}

async function ask(connectionString: string, signal: AbortSignal): Promise<Row> {
  // The socket is the probe's own, so that it can be taken from a server that does not answer.
  const socket = new Socket();
  const client = new pg.Client({
    connectionString,
    stream: () => socket,
    application_name: "central-hub-probe",
  });
  client.on("error", () => {});
  socket.on("error", () => {});
  const { promise: late, reject } = Promise.withResolvers<never>();
  late.catch(() => {});
  const giveUp = (): void => {
    const state = socket.connecting ? "no connection in time" : "it accepts connections and does not answer";
    socket.destroy();
    reject(new Error(state));
  };
  signal.addEventListener("abort", giveUp);
  if (signal.aborted) giveUp();
  try {
    await Promise.race([client.connect(), late]);
    const { rows } = await Promise.race([client.query<Row>(QUESTION), late]);
    const [row] = rows;
    if (!row) throw new Error("it answers nothing to a query");
    return row;
  } finally {
    signal.removeEventListener("abort", giveUp);
    // Says goodbye, so that the server's log holds no complaint, and waits for nothing.
    void client.end().catch(() => {});
    socket.destroySoon();
  }
}

function judge(row: Row): Reading {
  const { version, major, is_replica: isReplica, timescaledb } = row;
  const warnings: string[] = [];
  if (major < VERSION_FLOOR) {
    warnings.push(
      `PostgreSQL ${version} is older than ${VERSION_FLOOR}, the oldest that the hub's data may live on`,
    );
  }
  if (row.connections >= row.max_connections * CROWDED) {
    warnings.push(`nearly all of its ${row.max_connections} connections are in use`);
  }
  if (row.has_timescaledb && timescaledb === null) {
    warnings.push(
      "TimescaleDB is installed and not in use in this database; CREATE EXTENSION timescaledb makes it so",
    );
  }
  return ok(
    {
      version,
      role: isReplica ? "replica" : "primary",
      timescaledb: timescaledb ?? (row.has_timescaledb ? "installed, not in use" : "not installed"),
      max_connections: String(row.max_connections),
    },
    warnings,
    { connections: String(row.connections) },
  );
}

// SQLSTATE codes: https://www.postgresql.org/docs/current/errcodes-appendix.html
function explainFailure(error: unknown, where: string): Reading {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof pg.DatabaseError ? (error.code ?? "") : "";
  if (code === "28P01" || code === "28000") return unknown(`${where} refuses the user or the password`);
  if (code === "3D000") return unknown(`${where} has no database of that name`);
  if (code === "42501") return unknown(`${where} lets the user see nothing: ${message}`);
  if (code === "53300") return wrong(`${where} has no connection left`);
  if (code === "57P03") return wrong(`${where} is not ready: ${message}`);
  if (code === "57014") return wrong(`${where} does not answer a query in time`);
  if (code) return wrong(`${where}: ${message}`);
  if (/SASL|password must be a string/.test(message))
    return unknown(`${where} asks for a password; none is in the address`);
  if (/does not support SSL/.test(message))
    return unknown(`${where} speaks no TLS, which the address asks for`);
  return failure(error, where);
}

// What goes wrong here must not tell the address: a password is in it.
function readAddress(address: string): { connectionString: string; where: string } {
  const connectionString = /^postgres(ql)?:\/\//.test(address) ? address : `postgres://${address}`;
  try {
    const { host, port } = new pg.Client({ connectionString });
    return { connectionString, where: `${host}:${port}` };
  } catch {
    throw new HubError(
      "NOT_CONFIGURED",
      "the address is none of PostgreSQL; write postgres://user:password@host:5432/database",
    );
  }
}
