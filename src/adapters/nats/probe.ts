import { ErrorCode, type JetStreamAccountStats, type NatsConnection, NatsError } from "nats";
import { HubError } from "../../errors.ts";
import { type Answer, askAll, type Endpoint, formatEndpoint, readEndpoints } from "../../health/endpoints.ts";
import type { Probe, Reading } from "../../health/probe.ts";
import { explain, failure, ok, unknown, wrong } from "../../health/reading.ts";
import type { Target } from "../../health/targets.ts";
import { type NatsAddress, natsOptions, parseNatsUrl } from "./connect.ts";
import { openConnection } from "./connection.ts";
import { explained } from "./link.ts";

/** Asks over HTTP with GET. */
export type Get = (
  url: URL,
  signal: AbortSignal,
) => Promise<{ readonly status: number; readonly body: string }>;

/** What one server told. */
interface Server {
  readonly version: string;
  readonly name: string;
  readonly cluster: string;
  /** Round trip in milliseconds. */
  readonly rttMs: number;
  readonly jetStream: "off" | JetStreamAccountStats | { readonly reason: string; readonly isWrong: boolean };
}

const DEFAULT_PORT = 4222;
/** Share of a look's time that JetStream gets, when its server has answered. */
const JETSTREAM_PATIENCE = 0.4;
/** Share of a limit of JetStream that is worth a warning. */
const NEAR = 0.8;
const REFUSED: readonly string[] = [
  ErrorCode.AuthorizationViolation,
  ErrorCode.AuthenticationExpired,
  ErrorCode.AuthenticationTimeout,
  ErrorCode.PermissionsViolation,
];

/** Asks NATS servers over connections of their own: that they take one is asked too. */
export function openNatsProbe({ address, monitoringUrl, timeoutMs }: Target, get: Get): Probe {
  const nats = readAddress(address);
  const endpoints = readEndpoints(nats.servers.join(","), DEFAULT_PORT);
  return {
    check: async (signal) => {
      const ask = (endpoint: Endpoint, until: AbortSignal): Promise<Server> =>
        visit({ ...nats, servers: [formatEndpoint(endpoint)] }, until, timeoutMs);
      const [answers, trouble] = await Promise.all([
        askAll(endpoints, ask, signal, timeoutMs),
        monitoringUrl ? readHealth(monitoringUrl, get, signal) : undefined,
      ]);
      return judge(answers, trouble);
    },
    close: async () => {},
  };
}

async function visit(address: NatsAddress, signal: AbortSignal, timeoutMs: number): Promise<Server> {
  const options = natsOptions(address, "central-hub-probe");
  const connecting = openConnection(
    { ...options, timeout: timeoutMs, reconnect: false, maxReconnectAttempts: 0 },
    signal,
  );
  const { promise: late, reject } = Promise.withResolvers<never>();
  late.catch(() => {});
  let connection: NatsConnection | undefined;
  const giveUp = (): void => {
    reject(new Error(connection ? "it does not answer" : "it accepts no connection, or does not greet"));
    // What has opened at the last moment is closed as well.
    connecting.then(
      (opened) => void opened.close().catch(() => {}),
      () => {},
    );
  };
  signal.addEventListener("abort", giveUp);
  if (signal.aborted) giveUp();
  try {
    connection = await Promise.race([connecting, late]);
    const { version, server_name: name, cluster = "", jetstream } = connection.info ?? {};
    const began = performance.now();
    await Promise.race([connection.flush(), late]);
    const rttMs = performance.now() - began;
    const jetStream = jetstream
      ? await Promise.race([readAccount(connection, timeoutMs * JETSTREAM_PATIENCE), late])
      : "off";
    return { version: version ?? "", name: name ?? "", cluster, rttMs, jetStream };
  } finally {
    signal.removeEventListener("abort", giveUp);
    void connection?.close().catch(() => {});
  }
}

async function readAccount(connection: NatsConnection, timeoutMs: number): Promise<Server["jetStream"]> {
  try {
    const manager = await connection.jetstreamManager({ checkAPI: false, timeout: timeoutMs });
    return await manager.getAccountInfo();
  } catch (error) {
    // 10039: off for this account; 503: nobody answers, as without JetStream for the account.
    const code = error instanceof NatsError ? (error.api_error?.err_code ?? error.code) : "";
    if (code === 10039) return "off";
    const isRefused = REFUSED.includes(String(code)) || /permissions violation/i.test(String(error));
    return { reason: isRefused ? "it may not be asked" : explained(error), isWrong: !isRefused };
  }
}

// What the server says of itself; undefined when it is well.
async function readHealth(
  monitoringUrl: string,
  get: Get,
  signal: AbortSignal,
): Promise<Reading | undefined> {
  const url = new URL("healthz", monitoringUrl.endsWith("/") ? monitoringUrl : `${monitoringUrl}/`);
  try {
    const { status, body } = await get(url, signal);
    if (status === 200) return undefined;
    const reason = /"error"\s*:\s*"([^"]*)"/.exec(body)?.[1] ?? `it answers ${status}`;
    // Only the server itself answers so; anything else may be another's doing.
    return status === 503
      ? wrong(`its monitoring says: ${reason}`)
      : unknown(`monitoring at ${url.host}: ${reason}`);
  } catch (error) {
    return unknown(`monitoring at ${url.host}: ${explain(error)}`);
  }
}

function judge(answers: readonly Answer<Server>[], health: Reading | undefined): Reading {
  const servers = answers.flatMap((answer) => ("value" in answer ? [answer.value] : []));
  const failures = answers.flatMap((answer) =>
    "error" in answer ? [failureOf(answer.error, formatEndpoint(answer.endpoint))] : [],
  );
  const [first] = servers;
  if (!first) {
    const reasons = failures.map(({ reason }) => reason).join("; ");
    return failures.some(({ verdict }) => verdict === "wrong") ? wrong(reasons) : unknown(reasons);
  }
  const warnings = failures.map(({ reason }) => reason);
  const { version, name, cluster, rttMs, jetStream } = first;
  const facts: Record<string, string> = {
    version,
    server: name,
    ...(cluster ? { cluster } : {}),
    ...(answers.length > 1 ? { servers: `${servers.length} of ${answers.length}` } : {}),
  };
  const measures: Record<string, string> = { rtt_ms: rttMs.toFixed(1) };
  if (health?.verdict === "wrong") return { ...wrong(health.reason, facts), warnings };
  if (health) warnings.push(health.reason);
  if (jetStream === "off") facts.jetstream = "off";
  else if ("reason" in jetStream) {
    if (jetStream.isWrong) return { ...wrong(`JetStream: ${jetStream.reason}`, facts), warnings };
    facts.jetstream = "on";
    warnings.push(`JetStream: ${jetStream.reason}`);
  } else {
    facts.jetstream = "on";
    for (const kind of ["memory", "storage"] as const) {
      const used = jetStream[kind];
      const limit = jetStream.limits[`max_${kind}`];
      measures[`jetstream_${kind}_bytes`] = String(used);
      if (limit <= 0) continue;
      facts[`jetstream_${kind}_limit_bytes`] = String(limit);
      if (used >= limit * NEAR)
        warnings.push(`JetStream uses more than ${NEAR * 100} % of its ${kind} limit`);
    }
    measures.jetstream_streams = String(jetStream.streams);
    measures.jetstream_consumers = String(jetStream.consumers);
  }
  return ok(facts, warnings, measures);
}

function failureOf(error: unknown, where: string): Reading {
  if (!(error instanceof NatsError)) return failure(error, where);
  const reason = `${where}: ${explained(error)}`;
  if (REFUSED.includes(error.code)) return unknown(reason);
  return error.chainedError ? failure(error.chainedError, where) : wrong(reason);
}

function readAddress(address: string): NatsAddress {
  try {
    return parseNatsUrl(address.includes("://") ? address : `nats://${address}`);
  } catch (error) {
    throw new HubError("NOT_CONFIGURED", error instanceof Error ? error.message : String(error));
  }
}
