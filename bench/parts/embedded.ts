import { SaveUserEventsRequestSchema } from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { callOnce } from "../grpc.ts";
import { type Loaded, loadClosed, loadOpen } from "../h2load.ts";
import { withServers } from "../kept.ts";
import { type Effort, interleave, quantile, spread } from "../measure.ts";
import { count, ms, type Report, ratioText } from "../results.ts";
import { topicsLoad } from "./topics.ts";
import { startUserDataHub, userDataCall, userDataLoad } from "./user-data-calls.ts";

const EVENTS = 1_000;
const CALLS_IN_FLIGHT = 2;
const READS_PER_SECOND = 500;
/** An import of 50,000 events takes some seconds. */
const SECONDS = 5;
const BAR = 2;
const QUANTILES = [0.5, 0.9, 0.99] as const;

/** Time of reads of configuration while events are imported into the embedded database, against the same at rest. */
export async function embedded({ rounds }: Effort): Promise<Report> {
  return await withServers(async (keep) => {
    const hub = await keep(startUserDataHub(""));
    const reads = { ...topicsLoad(hub, hub), connections: 4, inFlight: 25 };
    const events = Array.from({ length: EVENTS }, (_, at) => ({
      userId: `user-${at % 100}`,
      eventType: "trade_executed",
      eventJson: JSON.stringify({ symbol: "EURUSD", price: 1.0842, volume: 0.5, side: "buy", order: at }),
    }));
    const call = userDataCall(hub, "SaveUserEvents", SaveUserEventsRequestSchema, { events });
    const load = { ...userDataLoad(call, CALLS_IN_FLIGHT), connections: 1, inFlight: CALLS_IN_FLIGHT };
    for (let times = 0; times < 10; times++) await callOnce(call);
    const imports: Loaded[] = [];
    const read = (): Promise<readonly number[]> => loadOpen(reads, READS_PER_SECOND, SECONDS);
    const readMeanwhile = async (): Promise<readonly number[]> => {
      const [times, imported] = await Promise.all([read(), loadClosed(load, SECONDS)]);
      imports.push(imported);
      return times;
    };
    const runs = await interleave(rounds, readMeanwhile, read);
    const p99 = (times: readonly (readonly number[])[]): number => quantile(sorted(times), 0.99);
    const ratio = spread(runs.map(({ a, b }) => p99(a) / p99(b)));
    const row = (name: string, side: "a" | "b"): string => {
      const all = sorted(runs.flatMap((run) => run[side]));
      return `| ${[name, ...QUANTILES.map((share) => ms(quantile(all, share))), count(all.length)].join(" | ")} |`;
    };
    const rate = spread(imports.map(({ perSecond }) => perSecond * EVENTS));
    return {
      lines: [
        "| GetKafkaTopics | p50 ms | p90 ms | p99 ms | answers |",
        "|---|---|---|---|---|",
        row("during an import", "a"),
        row("at rest", "b"),
        "",
        `The import: ${count(rate.median)} events/s (${count(rate.min)}–${count(rate.max)}), ${count(EVENTS)} in a call, ${CALLS_IN_FLIGHT} calls in flight.`,
        "The hub and its embedded database are both on core 0.",
      ],
      bars: [
        {
          work: "p99 of config reads during an import into the embedded database, against at rest",
          bar: `≤ ${BAR}`,
          measured: ratioText(ratio),
          isMet: ratio.median <= BAR,
        },
      ],
    };
  });
}

function sorted(times: readonly (readonly number[])[]): number[] {
  return times.flat().sort((a, b) => a - b);
}
