import { collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { BUCKETS, RpcSeries } from "./rpc-series.ts";

/** The numbers that the hub keeps of itself, under the names that stock gRPC dashboards know. */
export interface Metrics {
  /** An RPC has begun. */
  rpcStarted(service: string, method: string): void;
  /** An RPC has ended: its code, such as "OK" or "NOT_FOUND", and its time in seconds. */
  rpcHandled(service: string, method: string, code: string, seconds: number): void;
  /** A REST call has ended. */
  httpHandled(route: string, status: number, seconds: number): void;
  /** The revision that is served. */
  revision(revision: bigint): void;
  /** A number that is asked for when the metrics are read. */
  gauge(name: string, help: string, value: () => number): void;
  /** The same, with a number for each combination of labels; one that is not given any more is gone. */
  gauges(name: string, help: string, labels: readonly string[], samples: () => Iterable<Sample>): void;
  /** All metrics in Prometheus' text format. */
  text(): Promise<{ contentType: string; body: string }>;
}

/** One number of a metric with labels. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Metrics in a registry of their own. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const rpc = new RpcSeries();
  rpc.register(registry);
  const http = new Histogram({
    name: "hub_http_request_seconds",
    help: "Time of REST calls, by route and status.",
    labelNames: ["route", "status"],
    buckets: BUCKETS,
    registers,
  });
  const revision = new Gauge({ name: "hub_revision", help: "Revision that is served.", registers });
  return {
    rpcStarted: (service, method) => rpc.started(service, method),
    rpcHandled: (service, method, code, seconds) => rpc.handled(service, method, code, seconds),
    httpHandled: (route, status, seconds) => http.observe({ route, status: String(status) }, seconds),
    revision: (value) => revision.set(Number(value)),
    gauge: (name, help, value) => {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    },
    gauges: (name, help, labels, samples) => {
      new Gauge({
        name,
        help,
        labelNames: [...labels],
        registers,
        collect() {
          this.reset();
          for (const { labels, value } of samples()) this.set(labels, value);
        },
      });
    },
    text: async () => ({ contentType: registry.contentType, body: await registry.metrics() }),
  };
}
