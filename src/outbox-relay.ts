import type { EventPublisher, Outbox } from "./data/outbox.ts";
import { Relay, type RelayStatus } from "./data/relay.ts";
import type { ComponentBoard } from "./health/component-board.ts";
import type { Reading } from "./health/probe.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";

interface Parts {
  /** One for each database. */
  readonly outboxes: readonly Outbox[];
  readonly publisher: EventPublisher;
  /** Age of what waits that is too much, in milliseconds. */
  readonly lagMs: number;
  readonly components: ComponentBoard;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
}

/** The outbox among the components. */
const OUTBOX = "outbox";
const TELL_MS = 1_000;
const SHOWN_TROUBLES = 5;

/** Sends what is in the outboxes to Kafka, and tells how that goes. The relays stand in the order of the outboxes. */
export function startRelays(parts: Parts): readonly Relay[] {
  const { outboxes, publisher, lagMs, components, metrics, logger, lifecycle } = parts;
  lifecycle.defer(() => publisher.close());
  const listener = {
    onTrouble: (topic: string, userId: string | undefined, reason: string): void =>
      logger.warn({ topic, userId, reason }, "events wait in the outbox; they are tried again"),
    onOrphans: (orphans: readonly { readonly topic: string; readonly eventId: string }[]): void => {
      const events = orphans.map(({ topic, eventId }) => ({ topic, eventId }));
      logger.warn({ events }, "events were removed before they could be sent; the outbox lets go of them");
    },
  };
  const relays = outboxes.map((outbox) => new Relay(outbox, publisher, listener));
  lifecycle.defer(async () => {
    await Promise.all(relays.map((relay) => relay.stop()));
  });
  const statuses = (): RelayStatus[] => relays.map(({ status }) => status);
  const tell = (): void => components.tell(OUTBOX, OUTBOX, readingOf(statuses(), lagMs));
  tell();
  const timer = setInterval(tell, TELL_MS).unref();
  lifecycle.defer(() => clearInterval(timer));
  metrics.gauge("hub_outbox_rows", "Events that wait in the outbox, of all databases.", () =>
    total(statuses(), ({ lag }) => lag?.rows ?? 0),
  );
  metrics.gauge("hub_outbox_oldest_seconds", "Age of the oldest event that waits in the outbox.", () =>
    oldestSeconds(statuses()),
  );
  metrics.gauge("hub_outbox_shards", "Shards of the outbox that this hub sends.", () =>
    total(statuses(), ({ shards }) => shards.length),
  );
  metrics.gauge("hub_outbox_troubles", "Topics, and users, whose events are not taken for now.", () =>
    total(statuses(), ({ troubles }) => troubles.length),
  );
  metrics.gauge("hub_outbox_orphans", "Rows of the outbox that had no event any more.", () =>
    total(statuses(), ({ orphans }) => orphans),
  );
  return relays;
}

function readingOf(statuses: readonly RelayStatus[], lagMs: number): Reading {
  const troubles = statuses.flatMap((status) => status.troubles);
  const warnings = troubles
    .slice(0, SHOWN_TROUBLES)
    .map(({ topic, userId, reason }) => `${topic}${userId === undefined ? "" : `, one user`}: ${reason}`);
  if (troubles.length > SHOWN_TROUBLES) warnings.push(`and ${troubles.length - SHOWN_TROUBLES} more`);
  const rows = total(statuses, ({ lag }) => lag?.rows ?? 0);
  const oldest = oldestSeconds(statuses);
  const facts = { shards: statuses.map(({ shards }) => rangesOf(shards)).join("; ") };
  const measures = {
    rows: String(rows),
    oldest_seconds: String(Math.round(oldest)),
    ...Object.fromEntries(statuses.flatMap(shardMeasures)),
  };
  const unread = statuses.find(({ reason }) => reason !== "");
  const reason = unread
    ? `the outbox cannot be read: ${unread.reason}`
    : oldest * 1000 > lagMs
      ? `events have waited for Kafka for more than ${lagMs / 1000} s${troubles[0] ? `: ${troubles[0].topic}: ${troubles[0].reason}` : ""}`
      : "";
  return { verdict: reason ? "wrong" : "ok", reason, facts, measures, warnings };
}

// For `central-hub data outbox`: one for each shard of each database.
function shardMeasures(
  { lag, lastErrors }: RelayStatus,
  database: number,
): readonly (readonly [string, string])[] {
  return (lag?.shards ?? []).map(({ shard, rows, oldestMs, holder }) => {
    const error = lastErrors.get(shard);
    const told = {
      ...{ database, shard, rows, oldest_seconds: Math.round(oldestMs / 1000), holder },
      ...(error && { last_error: error.reason, last_error_time: new Date(error.at).toISOString() }),
    };
    return [`shard_${database}_${String(shard).padStart(2, "0")}`, JSON.stringify(told)];
  });
}

function total(statuses: readonly RelayStatus[], of: (status: RelayStatus) => number): number {
  return statuses.reduce((sum, status) => sum + of(status), 0);
}

function oldestSeconds(statuses: readonly RelayStatus[]): number {
  return Math.max(0, ...statuses.map(({ lag }) => lag?.oldestMs ?? 0)) / 1000;
}

// "0-15" for people; "none" when other hubs have all of them.
function rangesOf(shards: readonly number[]): string {
  const ranges: string[] = [];
  for (let at = 0; at < shards.length; ) {
    const from = at;
    while (shards[at + 1] === (shards[at] ?? 0) + 1) at++;
    ranges.push(from === at ? `${shards[from]}` : `${shards[from]}-${shards[at]}`);
    at++;
  }
  return ranges.join(", ") || "none";
}
