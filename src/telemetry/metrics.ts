import {
  AggregatorRegistry,
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  type MetricObject,
  Registry,
} from "prom-client";
import { RestSeries } from "./rest-series.ts";
import { RpcSeries } from "./rpc-series.ts";

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
  gauge(name: string, help: string, value: () => number, together?: Together): void;
  /** The same, with a number for each combination of labels; one that is not given any more is gone. */
  gauges(name: string, help: string, labels: readonly string[], samples: () => Iterable<Sample>): void;
  /** A number that only grows, with its labels, asked for when the metrics are read. */
  counters(name: string, help: string, labels: readonly string[], samples: () => Iterable<Sample>): void;
  /** A distribution over buckets with these upper bounds; the function takes what is observed. */
  histogram(name: string, help: string, buckets: readonly number[]): (value: number) => void;
  /** All metrics in Prometheus' text format. */
  text(): Promise<{ contentType: string; body: string }>;
  /** The same as values, for another process that puts them together with its own. */
  values(): Promise<MetricValues>;
}

/** What the numbers of several processes make together; "sum" where nothing is said. */
export type Together = "sum" | "min" | "max";

/** Metrics on their way from one process to another. */
export type MetricValues = readonly MetricObject[];

/** One number of a metric with labels. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Metrics in a registry of their own; `others` gives what other processes of the same hub have to add. */
export function createMetrics(others?: () => Promise<readonly MetricValues[]>): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const rpc = new RpcSeries();
  rpc.register(registry);
  const rest = new RestSeries();
  rest.register(registry);
  const revision = new Gauge({
    name: "hub_revision",
    help: "Revision that is served.",
    aggregator: "min",
    registers,
  });
  const values = (): Promise<MetricValues> => registry.getMetricsAsJSON();
  return {
    rpcStarted: (service, method) => rpc.started(service, method),
    rpcHandled: (service, method, code, seconds) => rpc.handled(service, method, code, seconds),
    httpHandled: (route, status, seconds) => rest.handled(route, status, seconds),
    revision: (value) => revision.set(Number(value)),
    gauge: (name, help, value, together = "sum") => {
      new Gauge({
        name,
        help,
        aggregator: together,
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
    counters: (name, help, labels, samples) => {
      new Counter({
        name,
        help,
        labelNames: [...labels],
        registers,
        collect() {
          this.reset();
          for (const { labels, value } of samples()) this.inc(labels, value);
        },
      });
    },
    histogram: (name, help, buckets) => {
      const histogram = new Histogram({ name, help, buckets: [...buckets], registers });
      return (value) => histogram.observe(value);
    },
    text: async () => {
      const { contentType } = registry;
      const more = (await others?.()) ?? [];
      if (more.length === 0) return { contentType, body: await registry.metrics() };
      const all = [await values(), ...more].map((list) => [...list]);
      return { contentType, body: await AggregatorRegistry.aggregate(all).metrics() };
    },
    values,
  };
}
