import type { Server } from "./process.ts";

/** Keeps what is started, and stops all of it at the end, also of a part that fails. */
export type Keep = <Started extends Pick<Server, "stop">>(started: Promise<Started>) => Promise<Started>;

const running = new Set<Pick<Server, "stop">>();

/** Stops whatever still runs, as of a part that hangs. */
export async function stopAll(): Promise<void> {
  await Promise.allSettled([...running].map((server) => server.stop()));
  running.clear();
}

/** Runs work that starts servers. */
export async function withServers<Value>(work: (keep: Keep) => Promise<Value>): Promise<Value> {
  const all: Pick<Server, "stop">[] = [];
  try {
    return await work(async (started) => {
      const server = await started;
      all.push(server);
      running.add(server);
      return server;
    });
  } finally {
    await Promise.all(all.map((server) => server.stop()));
    for (const server of all) running.delete(server);
  }
}
