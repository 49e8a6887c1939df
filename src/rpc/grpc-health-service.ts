import { Code, ConnectError, type ServiceImpl } from "@connectrpc/connect";
import {
  type Health,
  HealthCheckResponse_ServingStatus as Wire,
} from "../../gen/grpc/health/v1/health_pb.ts";
import type { ServingStatus } from "./serving-status.ts";
import { untilShutdown } from "./stream-end.ts";

/** grpc.health.v1, as github.com/grpc/grpc doc/health-checking.md describes it. */
export function grpcHealthService(status: ServingStatus): ServiceImpl<typeof Health> {
  return {
    check: ({ service }) => {
      const found = status.get(service);
      if (!found) throw new ConnectError(`service: "${service}" is not known to this hub`, Code.NotFound);
      return { status: Wire[found] };
    },
    list: () => ({
      statuses: Object.fromEntries([...status.all()].map(([name, now]) => [name, { status: Wire[now] }])),
    }),
    watch: ({ service }, { signal }) => untilShutdown(watchStatus(status, service, signal), signal),
  };
}

async function* watchStatus(status: ServingStatus, service: string, signal: AbortSignal) {
  let last: Wire | undefined;
  for await (const _ of changes(status, signal)) {
    const now = Wire[status.get(service) ?? "SERVICE_UNKNOWN"];
    if (now !== last) yield { status: now };
    last = now;
  }
}

// Yields at once and after every change. Each wait ends with the call, so no watcher outlives its client.
async function* changes(status: ServingStatus, signal: AbortSignal): AsyncIterable<void> {
  let wake = () => {};
  let changed = true;
  const stop = status.onChange(() => {
    changed = true;
    wake();
  });
  const onAbort = () => {
    stop();
    wake();
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    while (!signal.aborted) {
      if (changed) {
        changed = false;
        yield;
      } else await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    stop();
    signal.removeEventListener("abort", onAbort);
  }
}
