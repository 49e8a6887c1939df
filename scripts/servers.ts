// Starts the whole set of servers for a person's own play, prints their addresses as lines for the environment, and
// starts a hub that is pointed at them. What the environment names already is used as it is. Ctrl-C ends all of it,
// and what the servers hold is thrown away.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Child, startChild } from "../test/support/servers/child.ts";
import { startKafka } from "../test/support/servers/kafka.ts";
import { startNats } from "../test/support/servers/nats.ts";
import { startPostgres } from "../test/support/servers/postgres.ts";
import { startZooKeeper } from "../test/support/servers/zookeeper.ts";

const ROOT = join(import.meta.dirname, "..");
const USAGE = `npm run servers [-- options]
  --brokers N   Kafka brokers, 1 to 3 (default 1)
  --no-hub      the servers alone
`;

interface Stoppable {
  stop(): Promise<void>;
}

/** Ends with the signal to do so, or with the hub. */
async function main(): Promise<number> {
  const options = readOptions();
  if (options === undefined) return 2;
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve());
  });
  const all: Stoppable[] = [];
  process.stdout.write("Starting Kafka, NATS, ZooKeeper and PostgreSQL …\n");
  const starting = addresses(options.brokers, all);
  try {
    const names = await Promise.race([starting, stopped]);
    if (names === undefined) return 0;
    process.stdout.write(`\n${lines(names)}\n`);
    if (!options.hub) {
      process.stdout.write("Ctrl-C ends them.\n");
      await stopped;
      return 0;
    }
    const hub = await startHub(names, all);
    await Promise.race([hub.ended, stopped]);
    return hub.isRunning() ? 0 : 1;
  } finally {
    // What is starting cannot be ended before it has started.
    await Promise.allSettled([starting]);
    // The hub first: the last to come is the first to go.
    for (const each of all.reverse()) await each.stop();
  }
}

function readOptions(): { readonly brokers: number; readonly hub: boolean } | undefined {
  try {
    const { values } = parseArgs({
      options: { brokers: { type: "string", default: "1" }, "no-hub": { type: "boolean", default: false } },
    });
    const brokers = Number(values.brokers);
    if (![1, 2, 3].includes(brokers)) throw new Error(`--brokers is 1, 2 or 3, not ${values.brokers}`);
    return { brokers, hub: !values["no-hub"] };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    return undefined;
  }
}

/** Names for the environment, and the addresses; what was started is in `all`, also when another could not be. */
async function addresses(brokers: number, all: Stoppable[]): Promise<Record<string, string>> {
  const kept = async <Server extends Stoppable>(starting: Promise<Server>): Promise<Server> => {
    const server = await starting;
    all.push(server);
    return server;
  };
  const outcomes = await Promise.allSettled([
    kept(startKafka(brokers === 1 ? {} : { brokers })),
    kept(startNats({ jetstream: true })),
    kept(startZooKeeper()),
    kept(startPostgres()),
  ]);
  const [kafka, nats, zookeeper, postgres] = outcomes;
  if (
    kafka.status === "rejected" ||
    nats.status === "rejected" ||
    zookeeper.status === "rejected" ||
    postgres.status === "rejected"
  ) {
    const reasons = outcomes.flatMap((each) => (each.status === "rejected" ? [String(each.reason)] : []));
    throw new Error(reasons.join("\n"));
  }
  return {
    KAFKA_BROKERS: kafka.value.bootstrap,
    NATS_URL: nats.value.url,
    NATS_MONITOR_URL: nats.value.monitorUrl,
    ZOOKEEPER_CONNECT: zookeeper.value.connect,
    DATABASE_URL: postgres.value.url,
    // Of a server that nobody else has, the hub may be the superuser, and makes its tables itself.
    ...(process.env.DATABASE_URL
      ? {}
      : { DATABASE_ADMIN_URL: postgres.value.url, DATABASE_ALLOW_BYPASS: "true" }),
  };
}

function lines(names: Readonly<Record<string, string>>): string {
  return Object.entries(names)
    .map(([name, value]) => `${name}=${value}\n`)
    .join("");
}

/** A hub with a memory of its own, unless HUB_DATA_DIR is set: it goes away together with what the servers hold. */
async function startHub(names: Readonly<Record<string, string>>, all: Stoppable[]): Promise<Child> {
  const directory = await mkdtemp(join(tmpdir(), "central-hub-play-"));
  const env = { HUB_DATA_DIR: directory, ...process.env, ...names };
  const hub = startChild(process.execPath, [join(ROOT, "src/main.ts"), "serve"], ROOT, {
    env,
    temporary: directory,
    onOutput: (data) => process.stdout.write(data),
  });
  all.push({
    stop: async () => {
      if (hub.isRunning()) process.kill(hub.pid, "SIGTERM");
      await hub.ended;
      await rm(directory, { recursive: true, force: true });
    },
  });
  return hub;
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  return 1;
});
