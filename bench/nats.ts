import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "nats";
import { natsProgram } from "../test/support/servers/nats-program.ts";
import { firstLine, type Server, startServer } from "./process.ts";

/** The bucket that is watched. */
export const BUCKET = "bench";

/** The stream of a bucket as clients make it, for more watchers than servers allow by themselves. */
const KV_STREAM = {
  name: `KV_${BUCKET}`,
  subjects: [`$KV.${BUCKET}.>`],
  max_msgs_per_subject: 1,
  max_consumers: 100_000,
  allow_direct: true,
  allow_rollup_hdrs: true,
  deny_delete: true,
};

/** The version of nats-server. */
export async function natsVersion(): Promise<string> {
  const { path } = await natsProgram();
  return await firstLine(path, ["--version"], "install it");
}

/** Starts NATS with JetStream and a bucket of keys and values, every write on the disk before it is acknowledged. */
export async function startNatsKv(): Promise<Server> {
  const { path } = await natsProgram();
  const directory = await mkdtemp(join(tmpdir(), "central-hub-bench-nats-"));
  const configuration = join(directory, "nats.conf");
  const store = join(directory, "data");
  await writeFile(configuration, `jetstream { store_dir: "${store}", sync_interval: always }\n`);
  const server = await startServer({
    name: "NATS KV",
    command: path,
    args: (port) => ["-a", "127.0.0.1", "-p", `${port}`, "-c", configuration],
    cwd: directory,
    temporary: directory,
    isReady: async (port) => {
      const client = await connect({ servers: `127.0.0.1:${port}`, reconnect: false, timeout: 1_000 });
      try {
        const { streams } = await client.jetstreamManager();
        await streams.add(KV_STREAM);
        return true;
      } finally {
        await client.close();
      }
    },
  });
  return {
    ...server,
    stop: async () => {
      await server.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
