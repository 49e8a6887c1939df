import { type AuditLog, byTheHub } from "./config/audit.ts";
import type { HistorySigner } from "./data/history-keys.ts";
import { type OnPruned, Retention, type RetentionStatus } from "./data/retention.ts";
import type { RetentionRule } from "./data/retention-rule.ts";
import type { RetentionStore } from "./data/retention-store.ts";
import type { ComponentBoard } from "./health/component-board.ts";
import type { Reading } from "./health/probe.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics, Sample } from "./telemetry/metrics.ts";

interface Parts {
  /** One for each database. */
  readonly stores: readonly RetentionStore[];
  readonly rule: RetentionRule;
  readonly openSigner: () => Promise<HistorySigner>;
  /** Whether anything is removed. */
  readonly removes: boolean;
  readonly periodMs: number;
  readonly components: ComponentBoard;
  readonly metrics: Metrics;
  readonly audit: AuditLog;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
}

/** The job among the components. */
const RETENTION = "retention";
/** A run that has failed is tried again after this time, where the period is not shorter. */
const RETRY_MS = 60_000;
const TELL_MS = 1_000;
/** Time without a run that did all, after which somebody is to look. */
const FAILING_MS = 86_400_000;
const FEWEST_MONTHS_AHEAD = 2;

/** Removes months of events that nothing keeps any longer, now and then, and tells how that goes. `wake`: look now. */
export function startRetention(parts: Parts): { readonly wake: (database: number) => void } {
  const { stores, rule, openSigner, removes, periodMs, components, metrics, audit, logger, lifecycle } =
    parts;
  const onPruned: OnPruned = ({ partition }, events, isGone, { dataType, retentionClass }) => {
    const month = { partition, dataType, retentionClass, events, isGone };
    void audit.write(byTheHub("prune-month", "done", { month }));
    logger.info(
      month,
      isGone
        ? "a month of events was removed: nothing keeps it any longer"
        : "events of a month were removed; those of held users stay",
    );
  };
  const jobs = stores.map((store) => new Retention(store, rule, openSigner, onPruned, removes));
  const startedMs = Date.now();
  const opened = (): Retention[] => jobs.filter(({ isOpened }) => isOpened);
  const tell = (): void => {
    const statuses = opened().map(({ status }) => status);
    // Until user data is used there is nothing to tell.
    if (statuses.length > 0)
      components.tell(RETENTION, RETENTION, readingOf(statuses, removes, startedMs, Date.now()));
  };
  const loops = jobs.map((job) => new Loop(job, periodMs, logger));
  lifecycle.defer(async () => {
    await Promise.all(loops.map((loop) => loop.stop()));
  });
  const timer = setInterval(tell, TELL_MS).unref();
  lifecycle.defer(() => clearInterval(timer));
  countRetention(metrics, () => opened().map(({ status }) => status));
  return { wake: (database) => loops[database]?.wake() };
}

/** Runs a job: when it is woken, a period after it has ended, and sooner when it has failed. */
class Loop {
  readonly #job: Retention;
  readonly #periodMs: number;
  readonly #logger: Logger;
  #timer: NodeJS.Timeout | undefined;
  #said = "";
  #isStopped = false;

  constructor(job: Retention, periodMs: number, logger: Logger) {
    this.#job = job;
    this.#periodMs = periodMs;
    this.#logger = logger;
  }

  wake(): void {
    void this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#job.stop();
  }

  async #run(): Promise<void> {
    await this.#job.run();
    const { reason } = this.#job.status;
    if (this.#isStopped) return;
    // Once for each reason, however often it is tried.
    if (reason !== "" && reason !== this.#said)
      this.#logger.warn({ reason }, "events that are kept no longer could not be removed; it is tried again");
    this.#said = reason;
    clearTimeout(this.#timer);
    const wait = reason === "" ? this.#periodMs : Math.min(this.#periodMs, RETRY_MS);
    this.#timer = setTimeout(() => void this.#run(), wait).unref();
  }
}

/** How the job is, of all databases together. */
export function readingOf(
  statuses: readonly RetentionStatus[],
  removes: boolean,
  startedMs: number,
  nowMs: number,
): Reading {
  const failing = statuses.find(({ reason }) => reason !== "");
  const doneMs = Math.min(...statuses.map(({ lastDoneMs }) => lastDoneMs || startedMs));
  const ahead = aheadOf(statuses);
  const reason =
    ahead !== undefined && ahead < FEWEST_MONTHS_AHEAD
      ? `tables of events have partitions for fewer than ${FEWEST_MONTHS_AHEAD} months ahead (${ahead}); what comes later cannot be stored. The hub makes them every minute: its log, or a look at the database's log, tells why it cannot`
      : failing && nowMs - doneMs > FAILING_MS
        ? `events that are kept no longer have not been removed since ${isoTime(doneMs)}: ${failing.reason}`
        : "";
  const facts: Record<string, string> = { removes: removes ? "yes" : "no, by database.retention" };
  for (const [dataType, dueMs] of nextOf(statuses)) facts[`next_${dataType}`] = isoDay(dueMs);
  const lastRunMs = Math.min(...statuses.map((status) => status.lastRunMs));
  const measures: Record<string, string> = {
    last_run: lastRunMs === 0 ? "none yet" : isoTime(lastRunMs),
    last_outcome: lastRunMs === 0 ? "" : failing ? "failed" : "done",
    months_dropped: String(sum(statuses, ({ monthsDropped }) => monthsDropped)),
    events_pruned: String(sum(statuses, ({ eventsPruned }) => eventsPruned)),
    months_held: String(sum(statuses, ({ monthsHeld }) => monthsHeld)),
    ...(ahead === undefined ? {} : { months_ahead: String(ahead) }),
  };
  const warnings = failing ? [`the last run did not do all: ${failing.reason}`] : [];
  return { verdict: reason ? "wrong" : "ok", reason, facts, warnings, measures };
}

function countRetention(metrics: Metrics, statuses: () => readonly RetentionStatus[]): void {
  const counter = (name: string, help: string, of: (status: RetentionStatus) => number): void =>
    metrics.counters(name, help, [], () => [{ labels: {}, value: sum(statuses(), of) }]);
  counter(
    "hub_retention_months_dropped_total",
    "Months of events that this hub has removed.",
    ({ monthsDropped }) => monthsDropped,
  );
  counter(
    "hub_retention_events_pruned_total",
    "Events that this hub has removed, as they are kept no longer.",
    ({ eventsPruned }) => eventsPruned,
  );
  const gauge = (name: string, help: string, of: (all: readonly RetentionStatus[]) => number): void =>
    metrics.gauges(name, help, [], () => {
      const all = statuses();
      return all.length === 0 ? [] : [{ labels: {}, value: of(all) }];
    });
  gauge("hub_retention_months_held", "Months of events that are due, and stay for legal holds.", (all) =>
    sum(all, ({ monthsHeld }) => monthsHeld),
  );
  gauge("hub_retention_last_run_timestamp_seconds", "When the last run ended; 0: none has.", (all) =>
    Math.min(...all.map(({ lastRunMs }) => lastRunMs / 1000)),
  );
  gauge(
    "hub_retention_last_done_timestamp_seconds",
    "When the last run ended that did all; 0: none has.",
    (all) => Math.min(...all.map(({ lastDoneMs }) => lastDoneMs / 1000)),
  );
  gauge("hub_retention_failing", "1 when the last run did not do all that is due.", (all) =>
    Number(all.some(({ reason }) => reason !== "")),
  );
  gauge(
    "hub_userdata_months_ahead",
    "Whole months after this one that every table of events has a partition for.",
    (all) => aheadOf(all) ?? Number.NaN,
  );
  const due = "When the oldest month of a data type is due to be removed; without it: never.";
  metrics.gauges("hub_retention_next_due_timestamp_seconds", due, ["data_type"], () =>
    [...nextOf(statuses())].flatMap(([dataType, dueMs]): Sample[] =>
      dueMs === undefined ? [] : [{ labels: { data_type: dataType }, value: dueMs / 1000 }],
    ),
  );
}

function aheadOf(statuses: readonly RetentionStatus[]): number | undefined {
  const known = statuses.flatMap(({ monthsAhead }) => (monthsAhead === undefined ? [] : [monthsAhead]));
  return known.length === 0 ? undefined : Math.min(...known);
}

// The soonest of all databases.
function nextOf(statuses: readonly RetentionStatus[]): Map<string, number | undefined> {
  const next = new Map<string, number | undefined>();
  for (const { keeping, dueMs } of statuses.flatMap((status) => status.next)) {
    const other = next.get(keeping.dataType);
    next.set(keeping.dataType, other === undefined || (dueMs !== undefined && dueMs < other) ? dueMs : other);
  }
  return next;
}

function sum(statuses: readonly RetentionStatus[], of: (status: RetentionStatus) => number): number {
  return statuses.reduce((total, status) => total + of(status), 0);
}

function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

function isoDay(ms: number | undefined): string {
  return ms === undefined ? "never" : isoTime(ms).slice(0, 10);
}
