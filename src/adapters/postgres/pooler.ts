import type { PoolClient } from "pg";

const pooled = new WeakSet<PoolClient>();

/**
 * Finds out whether a new connection goes through a pooler, such as PgBouncer: that one makes up the number of the process
 * that it says it is. Embedded databases say none.
 */
export async function notePooler(client: PoolClient & { readonly processID?: number | null }): Promise<void> {
  if (typeof client.processID !== "number") return;
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  if (rows[0]?.pid !== client.processID) pooled.add(client);
}

/**
 * Whether a connection goes through a pooler. In its transaction mode each transaction has another session of the server, so
 * what one has prepared may be unknown to the next.
 */
export function isPooled(client: PoolClient): boolean {
  return pooled.has(client);
}
