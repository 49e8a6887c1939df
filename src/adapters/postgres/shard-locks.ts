import { Client } from "pg";
import { RELAY_SHARDS } from "../../data/buckets.ts";
import { HELD_LOCKS, TRY_LOCKS } from "./outbox-statements.ts";

/** What hubs know these locks by. */
const LOCKS = 724186533;
const ALL = Array.from({ length: RELAY_SHARDS }, (_, shard) => shard);
const ANSWER_MS = 3_000;
// So that the server soon frees what the hub of a machine that has vanished had.
const KEEP_ALIVE =
  "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 3; SET tcp_keepalives_count = 3; SET idle_session_timeout = 0";

/** Which shards this hub alone sends: advisory locks of a session of its own, free when it ends however it does. */
export class ShardLocks {
  readonly #url: string;
  #client: Client | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  /** Takes what is free, and tells what it has. Throws when the session is lost; then it has none. */
  async claim(): Promise<ReadonlySet<number>> {
    try {
      this.#client ??= await this.#open();
      const client = this.#client;
      const held = new Set(await this.#held(client));
      const others = ALL.filter((shard) => !held.has(shard));
      if (others.length === 0) return held;
      const { rows } = await client.query<{ shard: number; taken: boolean }>(TRY_LOCKS, [LOCKS, others]);
      for (const { shard, taken } of rows) if (taken) held.add(shard);
      return held;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    const client = this.#client;
    this.#client = undefined;
    void client?.end().catch(() => {});
  }

  async #held(client: Client): Promise<number[]> {
    const { rows } = await client.query<{ shard: number }>(HELD_LOCKS, [LOCKS]);
    return rows.map(({ shard }) => shard);
  }

  async #open(): Promise<Client> {
    const client = new Client({
      connectionString: this.#url,
      connectionTimeoutMillis: ANSWER_MS,
      query_timeout: ANSWER_MS,
      keepAlive: true,
      application_name: "central-hub-relay",
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
