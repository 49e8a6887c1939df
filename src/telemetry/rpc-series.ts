import type { Registry } from "prom-client";
import { printed, Times } from "./times.ts";

/** What is known of the calls of one RPC. */
interface Series {
  readonly labels: Readonly<Record<"grpc_service" | "grpc_method", string>>;
  started: number;
  readonly handledByCode: Map<string, number>;
  readonly times: Times;
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
    const { handledByCode, times } = this.#of(service, method);
    handledByCode.set(code, (handledByCode.get(code) ?? 0) + 1);
    times.observe(seconds);
  }

  /** Has the registry print them. */
  register(registry: Registry): void {
    printed(registry, { name: "grpc_server_started_total", help: "RPCs begun.", type: "counter" }, () =>
      this.#all().map(({ labels, started }) => ({ labels, value: started })),
    );
    const handled = {
      name: "grpc_server_handled_total",
      help: "RPCs ended, by code.",
      type: "counter",
    } as const;
    printed(registry, handled, () =>
      this.#all().flatMap(({ labels, handledByCode }) =>
        [...handledByCode].map(([grpc_code, value]) => ({ labels: { ...labels, grpc_code }, value })),
      ),
    );
    const name = "grpc_server_handling_seconds";
    printed(registry, { name, help: "Time of RPCs.", type: "histogram" }, () =>
      this.#all().flatMap(({ labels, times }) => times.values(name, labels)),
    );
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
      series = { labels, started: 0, handledByCode: new Map(), times: new Times() };
      methods.set(method, series);
    }
    return series;
  }

  #all(): Series[] {
    return [...this.#services.values()].flatMap((methods) => [...methods.values()]);
  }
}
