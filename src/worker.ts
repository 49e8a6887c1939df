import { Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { openAuditLog } from "./adapters/files/audit-log.ts";
import { LiveConfig } from "./config/live-config.ts";
import { ConfigWatch } from "./config/watch.ts";
import { CALLS_MAX, Forward } from "./http/forward.ts";
import { createFront } from "./http/front.ts";
import { gateOf } from "./http/gate.ts";
import { Hold } from "./http/hold.ts";
import { HotAnswers } from "./http/hot-answers.ts";
import { type Receiver, receive } from "./http/listener.ts";
import { createRestHandler } from "./http/rest.ts";
import { configRoutes } from "./http/rest-routes.ts";
import { staleness } from "./http/staleness.ts";
import { readTls } from "./http/tls.ts";
import { Lifecycle } from "./lifecycle.ts";
import { mayStreamRequest } from "./rpc/reflection-service.ts";
import { ANSWERED_BY_SNAPSHOT, createRpc } from "./rpc/routes.ts";
import { needOf } from "./rpc/scopes.ts";
import { userDataService } from "./rpc/userdata-service.ts";
import { workerPaths, workerRoutes } from "./rpc/worker-routes.ts";
import { isEmbedded } from "./settings/settings.ts";
import { settleAfterStart } from "./settling.ts";
import { createLogger, type Logger } from "./telemetry/logger.ts";
import { createMetrics, type Metrics } from "./telemetry/metrics.ts";
import { openUserData } from "./user-data.ts";
import { FORWARD_FD, type PrimaryCalls, type Start, type WorkerCalls } from "./workers/calls.ts";
import { FedLog } from "./workers/fed-log.ts";
import { FedRollout } from "./workers/fed-rollout.ts";
import { Link } from "./workers/link.ts";

// The program of one worker, and its composition root: it answers what there is much of, from a log that the primary
// feeds, and forwards all other calls to the primary.

/** What the primary speaks to as soon as it has been joined. */
interface Fed {
  readonly log: FedLog;
  readonly rollout: FedRollout;
  readonly hold: Hold;
}

const fed = Promise.withResolvers<Fed>();
const receiver = Promise.withResolvers<{ readonly receiver: Receiver; readonly metrics: Metrics }>();
const lifecycle = new Lifecycle();
let isLeaving = false;

const calls: WorkerCalls = {
  prepare: async (entry) => (await fed.promise).log.prepare(entry),
  hold: async () => (await fed.promise).hold.begin(),
  show: async () => {
    const { log, hold } = await fed.promise;
    log.show();
    hold.end();
  },
  setStatus: async (status) => (await fed.promise).log.setStatus(status),
  setRejections: async (rejections) => (await fed.promise).rollout.setRejections(rejections),
  ping: () => {},
  vitals: async () => {
    const { receiver: open, metrics } = await receiver.promise;
    const { user, system } = process.cpuUsage();
    return {
      connections: open.connections(),
      residentMemory: process.memoryUsage.rss(),
      cpuSeconds: (user + system) / 1e6,
      metrics: await metrics.values(),
    };
  },
  drain: () => void leave(),
};
const link = new Link<PrimaryCalls>(
  {
    send: (message, onSent) => void process.send?.(message, undefined, {}, onSent),
    on: (event, listener) => process.on(event, (message) => listener(message as object)),
  },
  calls,
);
// Without its primary it would keep clients from one that is started anew.
process.once("disconnect", () => process.exit(1));
process.on("message", async (_message, connection) => {
  if (!(connection instanceof Socket)) return;
  (await receiver.promise).receiver.take(connection);
  link.call("taken").catch(() => {});
});
for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.on(signal, leaveByItself);
}

try {
  const begun = await link.call("join");
  const logger = createLogger(begun.settings.logLevel, { worker: begun.number });
  process.on("uncaughtException", (error) => {
    logger.error({ err: error }, "a worker ends on an error that nothing caught");
    process.exit(1);
  });
  await serve(begun, logger);
  await link.call("ready");
  settleAfterStart();
} catch (error) {
  await link.call("failed", error instanceof Error ? error.message : String(error)).catch(() => {});
  process.exit(1);
}

async function serve({ settings, ...begun }: Start, logger: Logger): Promise<void> {
  const log = new FedLog(link, begun);
  const rollout = new FedRollout(link, begun.rejections);
  const hold = new Hold();
  fed.resolve({ log, rollout, hold });
  const live = await LiveConfig.start(log, new Map());
  lifecycle.defer(() => live.stop());
  const config = live.manager;
  const metrics = createMetrics();
  const limits = {
    windowRevisions: settings.watchWindowRevisions,
    bookmarkIntervalMs: settings.bookmarkIntervalMs,
    catchUpMs: settings.catchUpMs,
  };
  const watch = new ConfigWatch(config.snapshot, rollout, limits, (revision) => live.recall(revision));
  metrics.revision(config.snapshot.revision);
  metrics.gauge("hub_watchers", "Open watches.", () => watch.watchers);
  live.onSnapshot((snapshot) => {
    watch.push(snapshot);
    metrics.revision(snapshot.revision);
  });
  const onStored = (database: number): void => void link.call("stored", database).catch(() => {});
  const audit = openAuditLog(settings.dataDir, logger);
  const users = isEmbedded(settings)
    ? undefined
    : await openUserData({
        ...{ settings, config, metrics, audit, logger, lifecycle, publisher: undefined },
        ...(begun.isRelayed ? { onStored } : {}),
      });

  const gate = await gateOf(settings);
  const shutdown = new AbortController();
  const extraHeaders = (): Record<string, string> => staleness(log.status);
  const hot = new HotAnswers({ gate, basis: () => config.snapshot, extraHeaders });
  const routes = configRoutes(config);
  const shared = { ...settings, gate, logger, metrics, extraHeaders };
  const rpc = createRpc({
    ...shared,
    routes: workerRoutes({
      ...{ config, watch, rollout },
      users:
        users &&
        userDataService(users.userData, users.userHistory, users.erasure, audit, settings.unaryDeadlineMs),
    }),
    needOf: (method) => needOf(method, { health: false, reflection: false }),
    shutdown: shutdown.signal,
    basisOf: (method) => (ANSWERED_BY_SNAPSHOT.has(method) ? () => config.snapshot : undefined),
    fallback: createRestHandler({ ...shared, routes, config, hot, userData: users?.userData }),
    hot,
  });

  const forward = new Forward(new Socket({ fd: FORWARD_FD, readable: true, writable: true }));
  void forward.ended.then(() => process.exit(1));
  const own = new Set([...routes.keys(), ...workerPaths(users !== undefined)]);
  const isOwn = (url: string): boolean => {
    const [path = ""] = url.split("?", 1);
    return own.has(path) || (users !== undefined && path.startsWith("/api/users/"));
  };
  const front = createFront(
    (request, response) => {
      if (isOwn(request.url ?? "")) rpc.handler(request, response);
      else forward.request(request, response);
    },
    settings.corsOrigins,
    logger,
  );
  const open = receive(front, { ...settings, mayStreamRequest }, await readTls(settings), {
    hold,
    serveStream: (stream) => {
      if (rpc.serveStream?.(stream)) return true;
      const { headers } = stream;
      // What is malformed is refused here.
      if (!headers[":path"] || !headers[":authority"] || isOwn(headers[":path"])) return false;
      forward.stream(stream);
      if (forward.calls >= CALLS_MAX) leaveByItself();
      return true;
    },
    serveRequest: (request, response) => hot.serve(request, response),
  });
  lifecycle.defer(() => open.drain(settings.shutdownGraceMs));
  lifecycle.defer(() =>
    shutdown.abort(new ConnectError("the hub is shutting down; connect again", Code.Unavailable)),
  );
  metrics.gauge("hub_connections", "Open connections.", () => open.connections());
  receiver.resolve({ receiver: open, metrics });
}

// The primary hears of it, and starts another worker.
function leaveByItself(): void {
  link.call("leaving").catch(() => {});
  void leave();
}

// Takes no more connections, lets what is open end, and goes.
async function leave(): Promise<void> {
  if (isLeaving) return;
  isLeaving = true;
  await lifecycle.stop().catch(() => {});
  process.exit(0);
}
