import { randomUUID } from "node:crypto";
import { Code, ConnectError } from "@connectrpc/connect";
import { openAuditLog } from "./adapters/files/audit-log.ts";
import { readDocumentDirectory, watchDocumentDirectory } from "./adapters/files/document-directory.ts";
import { openFileRevisionLog } from "./adapters/files/revision-log.ts";
import { keepRollout } from "./adapters/files/rollout-file.ts";
import { brokerOverrides, brokerPorts, eventPublisher, topologyPorts } from "./brokers.ts";
import { FileImport } from "./config/file-import.ts";
import { LiveConfig } from "./config/live-config.ts";
import { ReleaseDesk } from "./config/release-desk.ts";
import type { RevisionLog } from "./config/revision-log.ts";
import { Rollout } from "./config/rollout.ts";
import { RolloutBoard } from "./config/rollout-board.ts";
import { type RolloutView, SharedRollout } from "./config/shared-rollout.ts";
import type { Position } from "./config/snapshot.ts";
import { ConfigWatch } from "./config/watch.ts";
import { startErasures } from "./erasure-job.ts";
import { Health } from "./health/health.ts";
import { HealthBoard } from "./health/health-board.ts";
import { countHealth } from "./health/health-metrics.ts";
import { createFront } from "./http/front.ts";
import { gateOf } from "./http/gate.ts";
import { HotAnswers } from "./http/hot-answers.ts";
import { openInnerDoor } from "./http/inner-door.ts";
import { listen } from "./http/listener.ts";
import { createRestHandler } from "./http/rest.ts";
import { restRoutes } from "./http/rest-routes.ts";
import { staleness } from "./http/staleness.ts";
import { readTls } from "./http/tls.ts";
import { Lifecycle } from "./lifecycle.ts";
import { observe, observeComponents } from "./observe.ts";
import { mayStreamRequest } from "./rpc/reflection-service.ts";
import { ANSWERED_BY_SNAPSHOT, createRpc, hubRoutes, SERVICES } from "./rpc/routes.ts";
import { needOf } from "./rpc/scopes.ts";
import { ServingStatus } from "./rpc/serving-status.ts";
import type { Settings } from "./settings/settings.ts";
import type { Logger } from "./telemetry/logger.ts";
import { createMetrics } from "./telemetry/metrics.ts";
import { Applies } from "./topology/applies.ts";
import { Topology } from "./topology/topology.ts";
import { openUserData } from "./user-data.ts";
import type { Crew } from "./workers/crew.ts";

/** A running hub. */
export interface Hub {
  /** Where it listens, such as "http://127.0.0.1:7000". */
  readonly url: string;
  readonly port: number;
  /** Takes no more calls, lets those that are open end, and gives everything back. */
  stop(): Promise<void>;
}

/** Starts a hub; the only place where its parts are put together. Throws DocumentsUnfit. */
export async function startHub(settings: Settings, logger: Logger): Promise<Hub> {
  const lifecycle = new Lifecycle();
  try {
    return await assemble(settings, logger, lifecycle);
  } catch (error) {
    await lifecycle.stop().catch(() => {});
    throw error;
  }
}

async function assemble(settings: Settings, logger: Logger, lifecycle: Lifecycle): Promise<Hub> {
  const crew = settings.workers > 1 ? await openCrew(settings, logger) : undefined;
  const ownLog = await openRevisionLog(settings, logger);
  const log = crew?.inStep(ownLog) ?? ownLog;
  lifecycle.defer(() => log.close());
  const live = await LiveConfig.start(log, await readDocumentDirectory(settings.configDir));
  lifecycle.defer(() => live.stop());
  const config = live.manager;
  const rollout = await openRollout(settings, config.snapshot, lifecycle, logger);
  const watch = new ConfigWatch(
    config.snapshot,
    rollout,
    {
      windowRevisions: settings.watchWindowRevisions,
      bookmarkIntervalMs: settings.bookmarkIntervalMs,
      catchUpMs: settings.catchUpMs,
    },
    (revision) => live.recall(revision),
  );
  const board = new RolloutBoard(rollout, watch);
  const desk = new ReleaseDesk(live, (version, system) => board.liveServices(version, system));
  const audit = openAuditLog(settings.dataDir, logger);
  const metrics = createMetrics(crew && (() => crew.askVitals()));
  observe({ live, watch, metrics, logger, lifecycle });
  if (settings.filesPollIntervalMs > 0) importFiles({ live, desk, settings, logger, lifecycle });

  const ownTopics = new Set(settings.kafkaRoundTripTopic ? [settings.kafkaRoundTripTopic] : []);
  const liveInstances = (service: string): number => board.live(service).size;
  const health = new Health(live, brokerOverrides(settings), brokerPorts(settings), ownTopics, liveInstances);
  lifecycle.defer(() => health.stop());
  observeComponents(health.components, metrics, logger);
  const ports = await topologyPorts(settings, lifecycle);
  const topology = new Topology({ live, health, board, ports, ownTopics });
  const applies = new Applies(topology, audit);
  lifecycle.defer(() => applies.stop());
  const { components: infrastructure, kafkaInspection: kafka, natsInspection: nats } = health;
  const healthBoard = new HealthBoard({ infrastructure, kafka, nats }, settings.bookmarkIntervalMs);
  lifecycle.defer(() => healthBoard.stop());
  countHealth(healthBoard, metrics);

  const publisher = await eventPublisher(settings, config.snapshot.documents.infrastructure?.message);
  const { userData, userHistory, retentionOutlook, erasure, isRelayed, onStored } = await openUserData({
    ...{ settings, config, metrics, audit, logger, lifecycle, publisher },
    components: infrastructure,
  });
  startErasures({ erasure, audit, metrics, logger, lifecycle });
  const gate = await gateOf(settings);
  const status = new ServingStatus(
    SERVICES.map((service) => service.typeName),
    infrastructure,
  );
  lifecycle.defer(() => status.stop());
  const shutdown = new AbortController();
  const open = { health: settings.publicHealth, reflection: settings.publicReflection };

  const extraHeaders = (): Record<string, string> => staleness(live.log.status);
  const hot = new HotAnswers({ gate, basis: () => config.snapshot, extraHeaders });
  const metricsNeed = settings.publicMetrics ? ("public" as const) : { scope: "health:read" };
  const ready = (): boolean => status.get("") === "SERVING" && crew?.isWhole !== false;
  const rest = createRestHandler({
    routes: restRoutes({ config, health: healthBoard, userData, metrics, live, ready, metricsNeed }),
    config,
    hot,
    userData,
    gate,
    logger,
    metrics,
    extraHeaders,
    ...settings,
  });
  const rpc = createRpc({
    routes: hubRoutes({
      config,
      watch,
      rollout,
      desk,
      board,
      topology,
      applies,
      audit,
      health: healthBoard,
      userData,
      userHistory,
      retentionOutlook,
      erasure,
      status,
      reflection: settings.reflection,
      unaryDeadlineMs: settings.unaryDeadlineMs,
    }),
    gate,
    needOf: (method) => needOf(method, open),
    logger,
    metrics,
    ...settings,
    shutdown: shutdown.signal,
    extraHeaders,
    basisOf: (method) => (ANSWERED_BY_SNAPSHOT.has(method) ? () => config.snapshot : undefined),
    fallback: rest,
    hot,
  });
  const front = createFront(rpc.handler, settings.corsOrigins, logger);
  const tls = await readTls(settings);
  const listener = crew
    ? await crew.open({ rollout, isRelayed, onStored, door: openInnerDoor(front, rpc.serveStream), metrics })
    : await listen(settings, front, { ...settings, mayStreamRequest }, tls, {
        ...rpc,
        serveRequest: (request, response) => hot.serve(request, response),
      });
  lifecycle.defer(() => listener.drain(settings.shutdownGraceMs));
  lifecycle.defer(() => {
    // Watchers of the health hear of it before their streams end.
    status.setAll("NOT_SERVING");
    setImmediate(() =>
      shutdown.abort(new ConnectError("the hub is shutting down; connect again", Code.Unavailable)),
    );
  });
  if (!crew) metrics.gauge("hub_connections", "Open connections.", () => listener.connections());

  const { port } = listener.address;
  const host = settings.host.includes(":") ? `[${settings.host}]` : settings.host;
  const url = `${tls ? "https" : "http"}://${host}:${port}`;
  logger.info({ url, auth: settings.auth, revision: String(config.snapshot.revision) }, "the hub serves");
  return { url, port, stop: () => lifecycle.stop() };
}

async function openRevisionLog(settings: Settings, logger: Logger): Promise<RevisionLog> {
  if (settings.revisionLog !== "file") {
    const { openNatsRevisionLog } = await import("./adapters/nats/revision-log.ts");
    return await openNatsRevisionLog({ url: settings.revisionLog, logger });
  }
  const log = await openFileRevisionLog({ directory: settings.dataDir });
  if (log.recovered)
    logger.warn(
      log.recovered,
      "the revision log ended in an entry that was never acknowledged; it was cut off",
    );
  return log;
}

// Hubs that share a log share what they know of instances; a lone one keeps it over its restarts.
async function openRollout(
  settings: Settings,
  history: Position,
  lifecycle: Lifecycle,
  logger: Logger,
): Promise<RolloutView> {
  const own = new Rollout();
  if (settings.revisionLog === "file") {
    const file = await keepRollout({ directory: settings.dataDir, rollout: own, history, logger });
    lifecycle.defer(() => file.stop());
    return own;
  }
  const { openRolloutBus } = await import("./adapters/nats/rollout-bus.ts");
  const bus = await openRolloutBus(settings.revisionLog);
  lifecycle.defer(() => bus.close());
  const shared = new SharedRollout(own, bus, randomUUID());
  lifecycle.defer(() => shared.stop());
  return shared;
}

function importFiles(parts: {
  live: LiveConfig;
  desk: ReleaseDesk;
  settings: Settings;
  logger: Logger;
  lifecycle: Lifecycle;
}): void {
  const { live, desk, settings, logger, lifecycle } = parts;
  const files = new FileImport(live, desk);
  const watching = watchDocumentDirectory(
    settings.configDir,
    settings.filesPollIntervalMs,
    async (texts) => {
      const revision = await files.take(texts);
      if (revision !== undefined)
        logger.info({ revision: String(revision) }, "a change of the files was published");
    },
    (error) => logger.warn({ err: error }, "the files could not be taken; they are tried again"),
  );
  lifecycle.defer(() => watching.stop());
}

// Loaded where there is more than one: a hub of one process has nothing to do with all this.
async function openCrew(settings: Settings, logger: Logger): Promise<Crew> {
  const { Crew } = await import("./workers/crew.ts");
  // In the bundle the program of a worker is a file beside this one, in JavaScript.
  const program = import.meta.url.endsWith(".ts")
    ? new URL("./worker.ts", import.meta.url)
    : new URL("./worker.js", import.meta.url);
  return new Crew(program, settings, logger);
}
