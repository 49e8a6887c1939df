import { loadClosed, loadOpen } from "../h2load.ts";
import { startBenchHub } from "../hub.ts";
import { withServers } from "../kept.ts";
import { type Effort, interleave, quantile, spread } from "../measure.ts";
import { count, ms, type Report, ratioText } from "../results.ts";
import { etcdLoad, startEqualEtcd, topicsAnswer, topicsLoad } from "./topics.ts";

const SHARE = 0.7;
const BAR = 1;
const QUANTILES = [0.5, 0.9, 0.99, 0.999] as const;

/** Time of an answer at a steady rate, against etcd: 70 % of what the slower of the two can do. */
export async function latency({ rounds, seconds }: Effort): Promise<Report> {
  return await withServers(async (keep) => {
    const hub = await keep(startBenchHub());
    const etcd = await keep(startEqualEtcd(await topicsAnswer(hub)));
    const loads = { hub: topicsLoad(hub, hub), etcd: etcdLoad(etcd) };
    await loadClosed(loads.hub, 2 * seconds);
    const capacities = await interleave(
      2,
      async () => (await loadClosed(loads.hub, seconds)).perSecond,
      async () => (await loadClosed(loads.etcd, seconds)).perSecond,
    );
    const slower = Math.min(
      spread(capacities.flatMap(({ a }) => a)).median,
      spread(capacities.flatMap(({ b }) => b)).median,
    );
    const rate = SHARE * slower;
    // Enough places in flight that a slow answer delays no other request.
    const open = (load: typeof loads.hub) => ({ ...load, connections: 8, inFlight: 100 });
    const runs = await interleave(
      rounds,
      () => loadOpen(open(loads.hub), rate, 2 * seconds),
      () => loadOpen(open(loads.etcd), rate, 2 * seconds),
    );
    const p99 = (times: readonly (readonly number[])[]): number =>
      quantile(
        times.flat().sort((a, b) => a - b),
        0.99,
      );
    const ratio = spread(runs.map(({ a, b }) => p99(a) / p99(b)));
    const row = (name: string, side: "a" | "b"): string => {
      const all = runs.flatMap((run) => run[side].flat()).sort((a, b) => a - b);
      const cells = QUANTILES.map((share) => ms(quantile(all, share)));
      return `| ${[name, ...cells, count(all.length)].join(" | ")} |`;
    };
    return {
      lines: [
        `| ${count(rate)} requests/s | p50 ms | p90 ms | p99 ms | p99.9 ms | answers |`,
        "|---|---|---|---|---|---|",
        row("hub", "a"),
        row("etcd", "b"),
      ],
      bars: [
        {
          work: "p99 at 70 % of the slower side's capacity against etcd",
          bar: `≤ ${BAR.toFixed(1)}`,
          measured: ratioText(ratio),
          isMet: ratio.median <= BAR,
        },
      ],
    };
  });
}
