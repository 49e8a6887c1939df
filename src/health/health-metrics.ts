import { HealthStatus, HealthStatusSchema } from "../../gen/centralhub/health/v1/health_pb.ts";
import { enumName } from "../documents/render.ts";
import { type HealthBoard, ifDeclared } from "./health-board.ts";

/** One number of a metric. */
interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Where numbers are shown, asked for when somebody reads them. */
interface Gauges {
  gauge(name: string, help: string, value: () => number): void;
  gauges(name: string, help: string, labels: readonly string[], samples: () => Iterable<Sample>): void;
}

/** How many declared topics and streams of the flags' default version are how. */
type Counts = Readonly<Record<"healthy" | "missing" | "drifted" | "unknown", number>>;

const STATUSES = [HealthStatus.HEALTHY, HealthStatus.DEGRADED, HealthStatus.ERROR];

/** Shows the board's findings as metrics. */
export function countHealth(board: HealthBoard, metrics: Gauges): void {
  metrics.gauge("hub_health_watchers", "Open watches of the health.", () => board.watchers);
  const topics = "Declared Kafka topics of the default version, by status.";
  metrics.gauges("hub_topics", topics, ["status"], () => samples(ifDeclared(() => board.topics(""))));
  const streams = "Declared JetStream streams of the default version, by status.";
  metrics.gauges("hub_streams", streams, ["status"], () => samples(ifDeclared(() => board.streams(""))));
  const infrastructure = "1 for what the status of all components together is, 0 for what it is not.";
  metrics.gauges("hub_infrastructure_status", infrastructure, ["status"], () => {
    const { status } = board.infrastructure();
    return STATUSES.map((each) => ({
      labels: { status: enumName(HealthStatusSchema, each) },
      value: Number(each === status),
    }));
  });
}

function samples(counts: Counts | undefined): Sample[] {
  if (!counts) return [];
  const { healthy, missing, drifted, unknown } = counts;
  return Object.entries({ healthy, missing, drifted, unknown }).map(([status, value]) => ({
    labels: { status },
    value,
  }));
}
