import { join, resolve } from "node:path";
import { lockDirectory } from "./adapters/files/directory-lock.ts";
import { openHistoryKey, readTrustedKeys } from "./adapters/files/history-key.ts";
import type { Place } from "./adapters/postgres/opening.ts";
import type { Backfill } from "./adapters/postgres/outbox-backfill.ts";
import type { AuditLog } from "./config/audit.ts";
import type { ConfigManager } from "./config/config-manager.ts";
import { DataRouter } from "./data/data-router.ts";
import { Erasure } from "./data/erasure.ts";
import { ErasureRule } from "./data/erasure-rule.ts";
import type { IngestWatch } from "./data/ingest.ts";
import type { EventPublisher } from "./data/outbox.ts";
import type { Relay } from "./data/relay.ts";
import { RetentionOutlook } from "./data/retention-outlook.ts";
import { RetentionRule } from "./data/retention-rule.ts";
import { UserData } from "./data/user-data.ts";
import type { UserEventStore } from "./data/user-event-store.ts";
import { UserHistory } from "./data/user-history.ts";
import type { ComponentBoard } from "./health/component-board.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { startRelays } from "./outbox-relay.ts";
import { startRetention } from "./retention-job.ts";
import { databaseShards, MIGRATIONS_DIR, type Settings } from "./settings/settings.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";

interface Parts {
  readonly settings: Settings;
  readonly config: ConfigManager;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
  /** What sends the events; undefined: nothing, or not in this process. */
  readonly publisher: EventPublisher | undefined;
  readonly audit: AuditLog;
  /** Where what sends and what removes events tell how that goes; undefined: another process does both. */
  readonly components?: ComponentBoard;
  /** Tells the process that sends them that a database has events for it, by the database's place among all. */
  readonly onStored?: (database: number) => void;
}

/** What the services of user data answer from. */
export interface UserDataParts {
  readonly userData: UserData;
  readonly userHistory: UserHistory;
  readonly erasure: Erasure;
  /** Whether this process sends the outbox. */
  readonly isRelayed: boolean;
  /** Something has been put into the outbox of a database, by its place among all. */
  readonly onStored: (database: number) => void;
  readonly retentionOutlook: RetentionOutlook;
}

/** Puts together what saves and returns the events of users. A database out of reach is no reason not to start. */
export async function openUserData({
  settings,
  config,
  metrics,
  logger,
  lifecycle,
  publisher,
  components,
  audit,
  onStored,
}: Parts): Promise<UserDataParts> {
  // One that is named is looked at now; one of the hub's own is made when something is to be signed.
  const openSigner = () => openHistoryKey(settings.dataDir, settings.databaseSigningKey);
  if (settings.databaseSigningKey) await openSigner();
  const trusted = await readTrustedKeys(settings.databaseTrustedKeys);
  const { PostgresUserEventStore } = await import("./adapters/postgres/user-event-store.ts");
  const { places, storeOf } = placesOf(settings);
  const { databaseOutbox } = settings;
  const isRelayed = databaseOutbox !== "off" && (publisher !== undefined || onStored !== undefined);
  const relays: Relay[] = [];
  const wake = onStored ?? ((database: number) => relays[database]?.wake());
  let retention: ReturnType<typeof startRetention> | undefined;
  const bounds = { events: settings.queueEvents, eventsPerUser: settings.queueEventsPerUser };
  const stores = places.map(
    (place, index) =>
      new PostgresUserEventStore({
        place,
        migrations: MIGRATIONS_DIR,
        lanes: settings.databaseLanes,
        connections: settings.databaseConnections,
        monthsAhead: settings.databaseMonthsAhead,
        hasOutbox: databaseOutbox === "on" || isRelayed,
        onOutbox: () => wake(index),
        bounds,
        onOpen: () => retention?.wake(index),
        logger,
      }),
  );
  const router = new DataRouter(config);
  const rule = new RetentionRule(config, router);
  const data = new UserData(router, stores, storeOf, bounds, countIngest(metrics));
  lifecycle.defer(() => data.close());
  tellDurability(stores, logger);
  const userHistory = new UserHistory(data, openSigner, trusted);
  const months = stores.map((store) => store.retention());
  if (components)
    retention = startRetention({
      ...{ stores: months, rule, components, metrics, audit, logger, lifecycle },
      openSigner: () => userHistory.signer(),
      ...{ removes: settings.databaseRetention, periodMs: settings.databaseRetentionPeriodMs },
    });
  // The embedded one takes time and memory that a hub without user data has no use for: it is opened by its first call.
  for (const [index, store] of stores.entries()) {
    if (!("embeddedIn" in (places[index] as Place))) store.open().catch(() => {});
  }
  if (publisher && components && isRelayed) {
    const backfill = backfillOf(settings.databaseOutboxFrom, router);
    const outboxes = stores.map((store) => store.outbox(backfill));
    const lagMs = settings.databaseOutboxLagMs;
    relays.push(...startRelays({ publisher, components, outboxes, lagMs, metrics, logger, lifecycle }));
  }
  metrics.gauge("hub_userdata_waiting_events", "User events that wait to be stored.", () => data.waiting);
  metrics.gauge("hub_userdata_followers", "Open live tails of user data.", () => data.followers);
  metrics.gauge(
    "hub_userdata_databases_out",
    "Databases of user data that are not served.",
    () => out(stores),
    "max",
  );
  const erasures = stores.map((store) => store.erasures());
  return {
    userData: data,
    userHistory,
    retentionOutlook: new RetentionOutlook(months, rule),
    erasure: new Erasure(new ErasureRule(config, router), erasures, storeOf, () => userHistory.signer()),
    isRelayed,
    onStored: wake,
  };
}

const FLUSH_EVENTS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
const FLUSH_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

function countIngest(metrics: Metrics): IngestWatch {
  const outcomes = new Map<string, number>();
  metrics.counters(
    "hub_userdata_events_total",
    "Events that were to be stored, by what became of them: saved, repeated, conflict, erased, or the reason.",
    ["outcome"],
    () => [...outcomes].map(([outcome, value]) => ({ labels: { outcome }, value })),
  );
  const size = metrics.histogram("hub_userdata_flush_events", "Events of a batch.", FLUSH_EVENTS);
  const time = metrics.histogram("hub_userdata_flush_seconds", "Time to store a batch.", FLUSH_SECONDS);
  return {
    flushed: (events, seconds) => {
      size(events);
      time(seconds);
    },
    settled: (outcome, events = 1) => {
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + events);
    },
  };
}

function placesOf(settings: Settings): { places: readonly Place[]; storeOf: (bucket: number) => number } {
  const mayBypass = settings.databaseAllowBypass;
  const shards = databaseShards(settings.databaseShards);
  if (shards.length > 0) {
    // A database that holds several ranges has one pool of connections all the same.
    const urls = [...new Set(shards.map(({ url }) => url))];
    const adminUrlOf = (url: string): string =>
      shards.find((shard) => shard.url === url && shard.adminUrl)?.adminUrl ?? "";
    return {
      places: urls.map((url) => ({ url, adminUrl: adminUrlOf(url), mayBypass })),
      storeOf: (bucket) =>
        urls.indexOf(shards.find(({ from, to }) => bucket >= from && bucket <= to)?.url ?? ""),
    };
  }
  const { databaseUrl: url, databaseAdminUrl: adminUrl } = settings;
  if (url !== "") return { places: [{ url, adminUrl, mayBypass }], storeOf: () => 0 };
  const embeddedIn = join(resolve(settings.dataDir), "pglite");
  // In the bundle it is a file beside this one, in JavaScript.
  const program = import.meta.url.endsWith(".ts")
    ? new URL("./embedded-thread.ts", import.meta.url)
    : new URL("./embedded-thread.js", import.meta.url);
  const lock = () => lockDirectory(embeddedIn, "pglite");
  return { places: [{ embeddedIn, program, lock }], storeOf: () => 0 };
}

function backfillOf(position: string, router: DataRouter): Backfill | undefined {
  if (position === "now") return undefined;
  const fromUs = position === "beginning" ? 0n : BigInt(Date.parse(position)) * 1000n;
  return { position, fromUs, topics: () => router.topics() };
}

function tellDurability(stores: readonly UserEventStore[], logger: Logger): void {
  for (const { status } of stores) {
    if (status.facts.storage !== "embedded") continue;
    logger.warn(
      status.facts,
      "user data is kept in an embedded database: it survives a crash of the hub, not one of the machine; set DATABASE_URL for more",
    );
  }
}

function out(stores: readonly UserEventStore[]): number {
  return stores.filter(({ status: { state } }) => state === "unavailable" || state === "unfit").length;
}
