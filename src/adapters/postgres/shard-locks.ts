import { hostname } from "node:os";
import type { Client } from "pg";
import { RELAY_SHARDS } from "../../data/buckets.ts";
import { HubError } from "../../errors.ts";
import { HELD_LOCKS, TRY_LOCKS } from "./outbox-statements.ts";

/** What other hubs, and people, know this one by. PostgreSQL keeps 63 bytes of a name. */
export const THIS_HUB = `${hostname().slice(0, 32)}/${process.pid}`;
const NAME = "central-hub-relay ";
/** What hubs know these locks by. */
const LOCKS = 724186533;
const ALL = Array.from({ length: RELAY_SHARDS }, (_, shard) => shard);
const ANSWER_MS = 3_000;
// So that the server soon frees what the hub of a machine that has vanished had.
const KEEP_ALIVE =
  "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3; SET idle_session_timeout = 0";

interface Lock {
  readonly session: number;
  /** Null in the one row that there is without locks. */
  readonly shard: number | null;
  readonly is_own: boolean;
  readonly name: string | null;
}

/** Which shards this hub alone sends: advisory locks of a session of its own, free when it ends however it does. */
export class ShardLocks {
  readonly #url: string;
  #client: Client | undefined;
  /** The process of the server that the session was at the first claim. */
  #session: number | undefined;
  #holders: ReadonlyMap<number, string> = new Map();

  constructor(url: string) {
    this.#url = url;
  }

  /** Which hub has which shard, as it was at the last claim. */
  get holders(): ReadonlyMap<number, string> {
    return this.#holders;
  }

  /** Takes what is free, and tells what it has. Throws when the session is lost, or is another's; then it has none. */
  async claim(): Promise<ReadonlySet<number>> {
    try {
      this.#client ??= await this.#open();
      const client = this.#client;
      const { rows: locks } = await client.query<Lock>(HELD_LOCKS, [LOCKS]);
      // A pooler that gives each transaction another session gives the locks to whoever comes next.
      this.#session ??= locks[0]?.session;
      if (locks[0]?.session !== this.#session) throw lostToAnother();
      const holders = new Map<number, string>();
      const held = new Set<number>();
      for (const { shard, is_own: isOwn, name } of locks) {
        if (shard === null) continue;
        holders.set(shard, holderOf(name));
        if (isOwn) held.add(shard);
      }
      this.#holders = holders;
      const others = ALL.filter((shard) => !holders.has(shard));
      if (others.length === 0) return held;
      const { rows } = await client.query<{ shard: number; taken: boolean }>(TRY_LOCKS, [LOCKS, others]);
      for (const { shard, taken } of rows) {
        if (!taken) continue;
        held.add(shard);
        holders.set(shard, THIS_HUB);
      }
      return held;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    const client = this.#client;
    this.#client = undefined;
    this.#session = undefined;
    this.#holders = new Map();
    void client?.end().catch(() => {});
  }

  async #open(): Promise<Client> {
    // The driver is loaded only now, as it is for the store: a hub starts sooner without it.
    const { Client: PgClient } = await import("pg");
    const client = new PgClient({
      connectionString: this.#url,
      connectionTimeoutMillis: ANSWER_MS,
      query_timeout: ANSWER_MS,
      keepAlive: true,
      application_name: `${NAME}${THIS_HUB}`,
    });
    client.on("error", () => {});
    try {
      await client.connect();
      await client.query(KEEP_ALIVE);
      return client;
    } catch (error) {
      void client.end().catch(() => {});
      throw error;
    }
  }
}

function lostToAnother(): HubError {
  const message =
    "the relay's locks have been lost to another session: DATABASE_URL leads through a pooler in transaction mode; give the server's own address, or that of a pooler in session mode";
  return new HubError("DATABASE_UNFIT", message);
}

function holderOf(name: string | null): string {
  return name?.startsWith(NAME) ? name.slice(NAME.length) : "another hub";
}
