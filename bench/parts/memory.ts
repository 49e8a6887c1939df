import { setTimeout as sleep } from "node:timers/promises";
import { startEtcd } from "../etcd.ts";
import { buildHerd } from "../herd.ts";
import { startBenchHub } from "../hub.ts";
import { withServers } from "../kept.ts";
import { type Effort, type Spread, spread } from "../measure.ts";
import { count, type Report } from "../results.ts";
import { STREAMS, type Watched, watchedEtcd, watchedHub } from "./watchers.ts";

const WATCHERS = 5_000;
const BAR_KB = 16;
/** Time for what was needed only at the start to be given back, which the hub does once it has been quiet for two seconds. */
const SETTLE_MS = 6_000;

/** Memory of a watcher that hears nothing: what the process holds with all of them less what it held before. */
export async function memory({ rounds }: Effort): Promise<Report> {
  const program = await buildHerd();
  const kilobytes = {
    hub: [] as number[],
    hubAlone: [] as number[],
    etcd: [] as number[],
    etcdAlone: [] as number[],
  };
  for (let round = 0; round < Math.min(rounds, 2); round++) {
    for (const [streams, suffix] of [
      [STREAMS, ""],
      [1, "Alone"],
    ] as const) {
      kilobytes[`hub${suffix}`].push(
        await withServers(async (keep) =>
          grown(await watchedHub(program, await keep(startBenchHub())), streams),
        ),
      );
      kilobytes[`etcd${suffix}`].push(
        await withServers(async (keep) => grown(watchedEtcd(program, await keep(startEtcd()), 1), streams)),
      );
    }
  }
  const { hub, hubAlone, etcd, etcdAlone } = kilobytes;
  const [ours, theirs] = [spread(hub), spread(etcd)];
  return {
    lines: [
      `| ${count(WATCHERS)} watchers | hub kB each | etcd kB each |`,
      "|---|---|---|",
      `| ${STREAMS} on a connection | ${text(ours)} | ${text(theirs)} |`,
      `| each with a connection of its own | ${text(spread(hubAlone))} | ${text(spread(etcdAlone))} |`,
    ],
    bars: [
      {
        work: "memory per idle watcher",
        bar: `≤ ${BAR_KB} kB (etcd ${theirs.median.toFixed(1)})`,
        measured: `${text(ours)} kB`,
        isMet: ours.median <= BAR_KB,
      },
    ],
  };
}

async function grown(watched: Watched, streams: number): Promise<number> {
  // A few first, so that what all of them share is not counted.
  const first = await watched.open(STREAMS, streams);
  await sleep(SETTLE_MS);
  const before = watched.server.residentBytes();
  const herd = await watched.open(WATCHERS, streams);
  await sleep(SETTLE_MS);
  const after = watched.server.residentBytes();
  await Promise.all([herd.stop(), first.stop()]);
  return (after - before) / WATCHERS / 1_000;
}

function text({ median, min, max }: Spread): string {
  return `${median.toFixed(1)} (${min.toFixed(1)}–${max.toFixed(1)})`;
}
