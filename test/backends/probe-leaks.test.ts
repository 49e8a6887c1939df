import { readdir, readlink } from "node:fs/promises";
import { describe, expect, it } from "vitest";
import { brokerPorts } from "../../src/brokers.ts";
import type { Target } from "../../src/health/targets.ts";
import { testSettings } from "../support/hub.ts";
import { startNats } from "../support/servers/nats.ts";
import { sharedKafka, sharedPostgres, sharedZooKeeper } from "../support/servers/shared.ts";
import { describeWith } from "../support/toolchains.ts";
import { httpPeer, refusingPeer, silentPeer, targetAt } from "./probing.ts";

const CYCLES = 200;
const AT_ONCE = 10;
/** What a look at a silent server may take, in milliseconds. */
const TIMEOUT_MS = 60;
const { openProbe } = brokerPorts(testSettings());

/** What the process holds, by what it is. */
type Held = ReadonlyMap<string, number>;

// Only what a look could hold: files of the test's own come and go.
async function held(): Promise<Held> {
  const counts = new Map<string, number>();
  const count = (name: string): unknown => counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const name of process.getActiveResourcesInfo()) {
    if (/Timeout|Socket|Connect|TLS|GetAddrInfo|DNS/.test(name)) count(name);
  }
  for (const descriptor of await readdir("/proc/self/fd")) {
    const leadsTo = await readlink(`/proc/self/fd/${descriptor}`).catch(() => "");
    if (leadsTo.startsWith("socket:")) count("socket descriptor");
  }
  return counts;
}

/** What there is more of than there was. */
function more(now: Held, before: Held): [name: string, more: number][] {
  return [...now]
    .map(([name, count]): [string, number] => [name, count - (before.get(name) ?? 0)])
    .filter(([, count]) => count > 0);
}

async function cycle(target: Target): Promise<void> {
  const probe = await openProbe(target);
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(), target.timeoutMs);
  await probe.check(end.signal).catch(() => {});
  clearTimeout(timer);
  await probe.close();
}

/** Starts and stops a probe so often, and checks that afterwards everything is as it was. */
async function leavesNothing(target: Target): Promise<void> {
  await cycle(target);
  // What the first look has begun is over when nothing goes away any more.
  let before = await held();
  const isStill = async (): Promise<boolean> => {
    const last = before;
    before = await held();
    return more(last, before).length === 0;
  };
  await expect.poll(isStill, { timeout: 10_000, interval: 300 }).toBe(true);
  for (let done = 0; done < CYCLES; done += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, () => cycle(target)));
  }
  await expect.poll(async () => more(await held(), before), { timeout: 10_000, interval: 100 }).toEqual([]);
}

describe.each(["kafka", "nats", "postgres", "zookeeper", "http", "tcp"] as const)(
  `${CYCLES} starts and stops of a probe of kind %s leave nothing behind`,
  (kind) => {
    it("where nobody listens", async () => {
      await leavesNothing(targetAt(kind, await refusingPeer()));
    });
    it("where nobody answers", async () => {
      await leavesNothing(targetAt(kind, await silentPeer(), { timeoutMs: TIMEOUT_MS }));
    });
  },
);

describe(`${CYCLES} starts and stops of a probe leave nothing behind`, () => {
  it("at an HTTP service that is well", async () => {
    await leavesNothing(targetAt("http", await httpPeer(() => ({ status: 200, body: "well" }))));
  });

  it("at a NATS server that is well", async () => {
    const nats = await startNats({ jetstream: true, own: true });
    try {
      await leavesNothing(targetAt("nats", nats.url, { monitoringUrl: nats.monitorUrl }));
    } finally {
      await nats.stop();
    }
  });
});

await describeWith(
  `${CYCLES} starts and stops at Kafka`,
  () => sharedKafka(),
  ({ bootstrap }) => {
    it("leave nothing behind", async () => {
      await leavesNothing(targetAt("kafka", bootstrap));
    });
  },
);

await describeWith(
  `${CYCLES} starts and stops at PostgreSQL`,
  () => sharedPostgres(),
  (postgres) => {
    it("leave nothing behind, neither here nor there", async () => {
      const { url, drop } = await postgres.createDatabase();
      await leavesNothing(targetAt("postgres", url));
      await drop();
    });
  },
);

await describeWith(
  `${CYCLES} starts and stops at ZooKeeper`,
  () => sharedZooKeeper(),
  (zookeeper) => {
    it("leave nothing behind", async () => {
      await leavesNothing(targetAt("zookeeper", zookeeper.connect));
    });
  },
);
