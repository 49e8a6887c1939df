import type { Registry } from "prom-client";
import { printed, Times } from "./times.ts";

/** The histogram of REST calls, kept as that of RPCs is. */
export class RestSeries {
  readonly #routes = new Map<string, Map<number, Times>>();

  handled(route: string, status: number, seconds: number): void {
    let statuses = this.#routes.get(route);
    if (!statuses) {
      statuses = new Map();
      this.#routes.set(route, statuses);
    }
    let times = statuses.get(status);
    if (!times) {
      times = new Times();
      statuses.set(status, times);
    }
    times.observe(seconds);
  }

  /** Has the registry print it. */
  register(registry: Registry): void {
    const name = "hub_http_request_seconds";
    const help = "Time of REST calls, by route and status.";
    printed(registry, { name, help, type: "histogram" }, () =>
      [...this.#routes].flatMap(([route, statuses]) =>
        [...statuses].flatMap(([status, times]) => times.values(name, { route, status: `${status}` })),
      ),
    );
  }
}
