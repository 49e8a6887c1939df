import { type AuditLog, byTheHub } from "./config/audit.ts";
import type { Erasure } from "./data/erasure.ts";
import { reasonOf } from "./errors.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";

interface Parts {
  readonly erasure: Pick<Erasure, "resume">;
  readonly audit: AuditLog;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
  /** Time until the first look and between two, in milliseconds. */
  readonly firstMs?: number;
  readonly periodMs?: number;
}

const FIRST_MS = 60_000;
const PERIOD_MS = 3_600_000;

/** Takes up erasures that were broken off, and lets go of what was restricted when nothing keeps it any longer: each hour. */
export function startErasures(parts: Parts): void {
  const { erasure, audit, metrics, logger, lifecycle, firstMs = FIRST_MS, periodMs = PERIOD_MS } = parts;
  const stopped = new AbortController();
  let running: Promise<void> = Promise.resolve();
  let carriedOn = 0;
  let left = 0;
  let lastMs = 0;
  const look = async (): Promise<void> => {
    let done = 0;
    const failures: unknown[] = [];
    const hear: Parameters<Erasure["resume"]>[1] = ({ userId, reason }, failure) => {
      if (stopped.signal.aborted && failure !== undefined) return;
      if (failure === undefined) done++;
      else failures.push(failure);
      const outcome = failure === undefined ? "done" : reasonOf(failure);
      void audit.write(byTheHub("erase-user", outcome, { user: { id: userId, dataTypes: [], reason } }));
    };
    await erasure.resume(stopped.signal, hear).catch((error: unknown) => failures.push(error));
    if (stopped.signal.aborted) return;
    carriedOn += done;
    left = failures.length;
    lastMs = Date.now();
    if (done > 0) logger.info({ users: done }, "erasures were carried on");
    if (left > 0)
      logger.warn(
        { err: failures[0], left },
        "an erasure could not be carried on; it is tried again within the hour",
      );
    timer = setTimeout(begin, periodMs).unref();
  };
  const begin = (): void => {
    running = look();
  };
  let timer = setTimeout(begin, firstMs).unref();
  const carried = "Users whose erasure this hub has carried on or ended by itself.";
  metrics.counters("hub_erasure_users_total", carried, [], () => [{ labels: {}, value: carriedOn }]);
  metrics.gauge("hub_erasure_left", "Erasures that the last look could not carry on.", () => left);
  metrics.gauge(
    "hub_erasure_last_look_timestamp_seconds",
    "When the last look ended; 0: none has.",
    () => lastMs / 1000,
  );
  lifecycle.defer(async () => {
    clearTimeout(timer);
    stopped.abort();
    await running;
  });
}
