import { SaveUserEventsRequestSchema } from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { callOnce } from "../grpc.ts";
import { type Loaded, loadClosed, loadOpen } from "../h2load.ts";
import { withServers } from "../kept.ts";
import { type Effort, interleave, quantile, type Spread, spread } from "../measure.ts";
import { BOTH_CORES, SERVER_CORE } from "../process.ts";
import { count, ms, type Report, ratioText } from "../results.ts";
import { topicsLoad } from "./topics.ts";
import { startUserDataHub, userDataCall, userDataLoad } from "./user-data-calls.ts";

const EVENTS = 1_000;
const CALLS_IN_FLIGHT = 2;
const READS_PER_SECOND = 500;
const WARM_SECONDS = 2;
/** An import of 50,000 events takes some seconds. */
const SECONDS = 5;
const BAR = 2;
const QUANTILES = [0.5, 0.9, 0.99] as const;

/**
 * Time of reads of configuration while events are imported into the embedded database, against the same at rest. The database
 * has a thread of its own, so it is measured with a core for each of the two, and with one for both.
 */
export async function embedded(effort: Effort): Promise<Report> {
  const two = await measure(effort, BOTH_CORES);
  const one = await measure(effort, SERVER_CORE);
  return {
    lines: [
      "| GetKafkaTopics | p50 ms | p90 ms | p99 ms | answers | events/s |",
      "|---|---|---|---|---|---|",
      ...two.rows("on two cores"),
      ...one.rows("on one core"),
      "",
      `The import: ${count(EVENTS)} events in a call, ${CALLS_IN_FLIGHT} calls in flight. The ratio on one core: ${ratioText(one.ratio)}.`,
      "What loads the hub is on the second core, which the hub has as well where it has two.",
    ],
    bars: [
      {
        work: "p99 of config reads during an import into the embedded database, against at rest, on two cores",
        bar: `≤ ${BAR}`,
        measured: ratioText(two.ratio),
        isMet: two.ratio.median <= BAR,
      },
    ],
  };
}

interface Measured {
  readonly ratio: Spread;
  rows(where: string): string[];
}

async function measure({ rounds }: Effort, cores: string): Promise<Measured> {
  return await withServers(async (keep) => {
    const hub = await keep(startUserDataHub("", {}, cores));
    const reads = { ...topicsLoad(hub, hub), connections: 4, inFlight: 25 };
    const events = Array.from({ length: EVENTS }, (_, at) => ({
      userId: `user-${at % 100}`,
      eventType: "trade_executed",
      eventJson: JSON.stringify({ symbol: "EURUSD", price: 1.0842, volume: 0.5, side: "buy", order: at }),
    }));
    const call = userDataCall(hub, "SaveUserEvents", SaveUserEventsRequestSchema, { events });
    const load = { ...userDataLoad(call, CALLS_IN_FLIGHT), connections: 1, inFlight: CALLS_IN_FLIGHT };
    const read = (): Promise<readonly number[]> => loadOpen(reads, READS_PER_SECOND, SECONDS);
    for (let times = 0; times < 10; times++) await callOnce(call);
    // Long enough for Node to have compiled what is hot.
    await loadClosed(reads, WARM_SECONDS);
    await Promise.all([read(), loadClosed(load, SECONDS)]);
    const imports: Loaded[] = [];
    const readMeanwhile = async (): Promise<readonly number[]> => {
      const [times, imported] = await Promise.all([read(), loadClosed(load, SECONDS)]);
      imports.push(imported);
      return times;
    };
    const runs = await interleave(rounds, readMeanwhile, read);
    const p99 = (times: readonly (readonly number[])[]): number => quantile(sorted(times), 0.99);
    const rate = spread(imports.map(({ perSecond }) => perSecond * EVENTS));
    const row = (name: string, side: "a" | "b", last: string): string => {
      const all = sorted(runs.flatMap((run) => run[side]));
      const cells = QUANTILES.map((share) => ms(quantile(all, share)));
      return `| ${[name, ...cells, count(all.length), last].join(" | ")} |`;
    };
    return {
      ratio: spread(runs.map(({ a, b }) => p99(a) / p99(b))),
      rows: (where) => [
        row(
          `during an import, ${where}`,
          "a",
          `${count(rate.median)} (${count(rate.min)}–${count(rate.max)})`,
        ),
        row(`at rest, ${where}`, "b", ""),
      ],
    };
  });
}

function sorted(times: readonly (readonly number[])[]): number[] {
  return times.flat().sort((a, b) => a - b);
}
