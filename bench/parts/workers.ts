import { loadClosed } from "../h2load.ts";
import { type BenchHub, startBenchHub } from "../hub.ts";
import { withServers } from "../kept.ts";
import { compare, type Effort, loaded, type Side, type Spread } from "../measure.ts";
import { BOTH_CORES, cpuSecondsOf, familyOf } from "../process.ts";
import { COMPARISON_HEAD, comparisonLine, type Report, ratioText } from "../results.ts";
import { topicsAnswer, topicsLoad } from "./topics.ts";

const BAR = 1.7;
const WORKERS = 2;
/** Of each process that answers. */
const CONNECTIONS = 4;
const IN_FLIGHT = 32;
/** Each process compiles what is hot for itself, and on a busy machine that takes its time. */
const WARM_SECONDS = 8;

/** What two workers answer on two cores against what one process does on one. */
export async function workers(effort: Effort): Promise<Report> {
  return await withServers(async (keep) => {
    const one = await keep(startBenchHub({ name: "one process" }));
    const lines = [`workers: ${WORKERS}`];
    const two = await keep(startBenchHub({ name: "two workers", cores: BOTH_CORES, lines }));
    const side = async (hub: BenchHub, processes: number): Promise<Side> => {
      await topicsAnswer(hub);
      const load = { ...topicsLoad(hub, hub), connections: processes * CONNECTIONS, inFlight: IN_FLIGHT };
      await loadClosed(load, WARM_SECONDS);
      return loaded(hub, load);
    };
    const [ofTwo, ofOne] = [await side(two, WORKERS), await side(one, 1)];
    const family = familyOf(two.pid);
    const before = family.map(cpuSecondsOf);
    const comparison = await compare(ofTwo, ofOne, effort);
    const spent = family.map((pid, at) => cpuSecondsOf(pid) - (before[at] ?? 0));
    const [primary = 0, ...each] = spent;
    const { cpuRatio } = comparison;
    const times = (by: number): Spread => ({
      median: cpuRatio.median * by,
      min: cpuRatio.min * by,
      max: cpuRatio.max * by,
    });
    const capacity = times(WORKERS);
    const bar = {
      work: "two workers against one process, on two cores, by processor time",
      bar: `≥ ${BAR}`,
      measured: ratioText(capacity),
      isMet: capacity.median >= BAR,
    };
    return {
      lines: [
        ...COMPARISON_HEAD,
        comparisonLine("two workers (hub) against one process (peer)", comparison),
        "",
        `GetKafkaTopics over gRPC, ${CONNECTIONS * IN_FLIGHT} in flight on ${CONNECTIONS} connections for each process that answers. The one process has a core, and what loads it the other; the`,
        "two workers have both cores, of which what loads them takes its part of one, so that their requests per second are not what they could answer. That",
        "is told by processor time: two cores give two seconds of it each second, and what an answer costs is measured while both workers are at work, with all",
        "processes of the hub counted. The figure is twice the processor time of an answer of one process over that of an answer of two workers; 2 would be",
        `linear. The primary took ${primary.toFixed(2)} s, the workers ${each.map((value) => value.toFixed(2)).join(" and ")} s in all runs of theirs.`,
      ],
      bars: [bar],
    };
  });
}
