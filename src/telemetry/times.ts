import type { Counter, Registry } from "prom-client";

/** Bounds of histograms of times, in seconds. */
const BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** A number of a metric as prom-client prints it. */
export interface Value {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** One histogram of times, for one combination of labels. */
export class Times {
  /** Times that were no longer than each bound and longer than the one before. */
  readonly #buckets = new Array<number>(BUCKETS.length + 1).fill(0);
  #seconds = 0;
  #count = 0;

  observe(seconds: number): void {
    let at = 0;
    for (const bound of BUCKETS) {
      if (seconds <= bound) break;
      at += 1;
    }
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    this.#seconds += seconds;
    this.#count += 1;
  }

  /** As the histogram `name` has it; nothing of one without any time. */
  values(name: string, labels: Value["labels"]): Value[] {
    if (this.#count === 0) return [];
    let sum = 0;
    const bounds = this.#buckets.map((value, at) => {
      sum += value;
      const le = BUCKETS[at] ?? "+Inf";
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: sum };
    });
    return [
      ...bounds,
      { metricName: `${name}_sum`, labels, value: this.#seconds },
      { metricName: `${name}_count`, labels, value: this.#count },
    ];
  }
}

/** Has a registry print a metric whose numbers are made when they are read. */
export function printed(
  registry: Registry,
  metric: { readonly name: string; readonly help: string; readonly type: "counter" | "histogram" },
  values: () => Value[],
): void {
  const { name } = metric;
  const get = async () => ({ ...metric, aggregator: "sum", values: values() });
  // A registry asks no more of a metric than its name and what `get` gives; the type knows its own classes only.
  registry.registerMetric({ name, get } as unknown as Counter);
}
