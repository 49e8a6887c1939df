import type { Counter, Registry } from "prom-client";

/** Bounds of histograms of times, in seconds. */
export const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** What is known of the calls of one RPC. */
interface Series {
  readonly labels: Readonly<Record<"grpc_service" | "grpc_method", string>>;
  started: number;
  readonly handledByCode: Map<string, number>;
  /** Calls that took no longer than each bound and longer than the one before. */
  readonly buckets: number[];
  seconds: number;
  handled: number;
}

/** A number of a metric as prom-client prints it. */
interface Value {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/**
 * The counters and the histogram of RPCs. Each call writes to four of their numbers, and prom-client's own classes look
 * the labels up anew for each: here an RPC has its numbers in one place, and labels are made when they are read.
 */
export class RpcSeries {
  readonly #services = new Map<string, Map<string, Series>>();

  started(service: string, method: string): void {
    this.#of(service, method).started += 1;
  }

  handled(service: string, method: string, code: string, seconds: number): void {
    const series = this.#of(service, method);
    series.handledByCode.set(code, (series.handledByCode.get(code) ?? 0) + 1);
    series.handled += 1;
    series.seconds += seconds;
    let at = 0;
    for (const bound of BUCKETS) {
      if (seconds <= bound) break;
      at += 1;
    }
    series.buckets[at] = (series.buckets[at] ?? 0) + 1;
  }

  /** Has the registry print them. */
  register(registry: Registry): void {
    const add = (name: string, help: string, type: string, values: () => Value[]): void => {
      const get = async () => ({ name, help, type, aggregator: "sum", values: values() });
      // A registry asks no more of a metric than its name and what `get` gives; the type knows its own classes only.
      registry.registerMetric({ name, get } as unknown as Counter);
    };
    add("grpc_server_started_total", "RPCs begun.", "counter", () =>
      this.#all().map(({ labels, started }) => ({ labels, value: started })),
    );
    add("grpc_server_handled_total", "RPCs ended, by code.", "counter", () =>
      this.#all().flatMap(({ labels, handledByCode }) =>
        [...handledByCode].map(([grpc_code, value]) => ({ labels: { ...labels, grpc_code }, value })),
      ),
    );
    const name = "grpc_server_handling_seconds";
    add(name, "Time of RPCs.", "histogram", () => this.#all().flatMap((series) => histogramOf(name, series)));
  }

  #of(service: string, method: string): Series {
    let methods = this.#services.get(service);
    if (!methods) {
      methods = new Map();
      this.#services.set(service, methods);
    }
    let series = methods.get(method);
    if (!series) {
      const labels = { grpc_service: service, grpc_method: method };
      const buckets = new Array<number>(BUCKETS.length + 1).fill(0);
      series = { labels, started: 0, handledByCode: new Map(), buckets, seconds: 0, handled: 0 };
      methods.set(method, series);
    }
    return series;
  }

  #all(): Series[] {
    return [...this.#services.values()].flatMap((methods) => [...methods.values()]);
  }
}

function histogramOf(name: string, series: Series): Value[] {
  const { labels, buckets, seconds, handled } = series;
  if (handled === 0) return [];
  let sum = 0;
  const bounds = buckets.map((value, at) => {
    sum += value;
    const le = BUCKETS[at] ?? "+Inf";
    return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: sum };
  });
  return [
    ...bounds,
    { metricName: `${name}_sum`, labels, value: seconds },
    { metricName: `${name}_count`, labels, value: handled },
  ];
}
