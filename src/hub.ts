import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { readDocumentDirectory } from "./adapters/files/document-directory.ts";
import { ConfigManager } from "./config/config-manager.ts";
import { compile } from "./config/snapshot.ts";
import type { Finding } from "./documents/findings.ts";
import { createFront } from "./http/front.ts";
import { type IdentityGate, openGate } from "./http/identity.ts";
import { listen, type Tls } from "./http/listener.ts";
import { createRestHandler } from "./http/rest.ts";
import { Lifecycle } from "./lifecycle.ts";
import { createRpcHandler, hubRoutes, SERVICES } from "./rpc/routes.ts";
import { needOf } from "./rpc/scopes.ts";
import { ServingStatus } from "./rpc/serving-status.ts";
import type { Settings } from "./settings/settings.ts";
import type { Logger } from "./telemetry/logger.ts";
import { createMetrics } from "./telemetry/metrics.ts";

/** A running hub. */
export interface Hub {
  /** Where it listens, such as "http://127.0.0.1:7000". */
  readonly url: string;
  readonly port: number;
  /** What the documents gave cause to say; none of it a FAIL. */
  readonly findings: readonly Finding[];
  /** Takes no more calls, lets those that are open end, and gives everything back. */
  stop(): Promise<void>;
}

/** The documents are not fit to be served. */
export class DocumentsRefused extends Error {
  readonly findings: readonly Finding[];
  constructor(findings: readonly Finding[]) {
    super("the documents are not fit to be served");
    this.findings = findings;
  }
}

/** Starts a hub; the only place where its parts are put together. Throws DocumentsRefused. */
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
  const { compiled, report } = compile(await readDocumentDirectory(settings.configDir));
  if (!compiled) throw new DocumentsRefused(report.findings);
  for (const finding of report.findings) logger.warn({ finding }, "a document gives cause for concern");

  // Revisions are not kept yet: each start is the first revision of a new epoch.
  const config = new ConfigManager({ ...compiled, epoch: randomUUID(), revision: 1n });
  const metrics = createMetrics();
  metrics.revision(config.snapshot.revision);
  const gate = await createGate(settings);
  const status = new ServingStatus(SERVICES.map((service) => service.typeName));
  const shutdown = new AbortController();
  const open = { health: settings.publicHealth, reflection: settings.publicReflection };

  const rest = createRestHandler({
    config,
    gate,
    logger,
    metrics,
    ready: () => status.get("") === "SERVING",
    metricsNeed: settings.publicMetrics ? "public" : { scope: "health:read" },
  });
  const rpc = createRpcHandler({
    routes: hubRoutes({ config, status, reflection: settings.reflection }),
    gate,
    needOf: (method) => needOf(method, open),
    logger,
    metrics,
    ...settings,
    shutdown: shutdown.signal,
    fallback: rest,
  });
  const tls = await readTls(settings);
  const listener = await listen(
    settings,
    createFront(rpc, settings.corsOrigins, logger),
    { ...settings, mayStreamRequest: (path) => path.startsWith("/grpc.reflection.") },
    tls,
  );
  lifecycle.defer(() => listener.drain(settings.shutdownGraceMs));
  lifecycle.defer(() => {
    // Watchers of the health hear of it before their streams end.
    status.setAll("NOT_SERVING");
    setImmediate(() =>
      shutdown.abort(new ConnectError("the hub is shutting down; connect again", Code.Unavailable)),
    );
  });
  metrics.connections(() => listener.connections());

  const { port } = listener.address;
  const host = settings.host.includes(":") ? `[${settings.host}]` : settings.host;
  const url = `${tls ? "https" : "http"}://${host}:${port}`;
  logger.info({ url, auth: settings.auth, revision: String(config.snapshot.revision) }, "the hub serves");
  return { url, port, findings: report.findings, stop: () => lifecycle.stop() };
}

async function createGate(settings: Settings): Promise<IdentityGate> {
  if (settings.auth === "none") return openGate;
  const { createJwtGate } = await import("./http/jwt-gate.ts");
  const rules = {
    issuer: settings.jwtIssuer,
    audience: settings.jwtAudience,
    algorithms: settings.jwtAlgorithms,
    clockToleranceMs: settings.jwtClockToleranceMs,
    cacheEntries: settings.jwtCacheEntries,
  };
  const keys = /^https?:\/\//.test(settings.jwtJwks)
    ? { url: new URL(settings.jwtJwks) }
    : { set: JSON.parse(await readFile(settings.jwtJwks, "utf8")) };
  return createJwtGate(keys, rules);
}

async function readTls(settings: Settings): Promise<Tls | undefined> {
  if (!settings.tlsCert) return undefined;
  const [cert, key] = await Promise.all([
    readFile(settings.tlsCert, "utf8"),
    readFile(settings.tlsKey, "utf8"),
  ]);
  return { cert, key };
}
