import type { Metrics, Sample } from "../telemetry/metrics.ts";
import type { Vitals } from "./calls.ts";

/** What there is to count of the workers of a hub. */
export interface Counted {
  readonly serving: number;
  readonly restarts: number;
  /** By a worker's number. */
  readonly vitals: ReadonlyMap<number, Vitals>;
}

/** Numbers of each worker, beside those that all of them make together. */
export function countCrew(crew: Counted, metrics: Metrics): void {
  metrics.gauge("hub_workers", "Worker processes that serve.", () => crew.serving);
  metrics.gauge(
    "hub_worker_restarts",
    "Workers that were started in the place of one that had ended.",
    () => crew.restarts,
  );
  const each = (name: string, help: string, value: (vitals: Vitals) => number): void => {
    const samples = (): Sample[] =>
      [...crew.vitals].map(([worker, vitals]) => ({
        labels: { worker: String(worker) },
        value: value(vitals),
      }));
    metrics.gauges(name, help, ["worker"], samples);
  };
  each("hub_worker_connections", "Open connections of a worker.", ({ connections }) => connections);
  each("hub_worker_cpu_seconds", "User and system time of a worker.", ({ cpuSeconds }) => cpuSeconds);
  each(
    "hub_worker_resident_memory_bytes",
    "Resident memory of a worker.",
    ({ residentMemory }) => residentMemory,
  );
}
