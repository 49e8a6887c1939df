import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { Code, createConnectRouter, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { createValidateInterceptor } from "@connectrpc/validate";
import { ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { HealthService } from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { TopologyService } from "../../gen/centralhub/topology/v1/topology_service_pb.ts";
import { UserDataService } from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { Health } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import type { AuditLog } from "../config/audit.ts";
import type { ConfigManager } from "../config/config-manager.ts";
import type { ReleaseDesk } from "../config/release-desk.ts";
import type { RolloutBoard } from "../config/rollout-board.ts";
import type { RolloutView } from "../config/shared-rollout.ts";
import type { ConfigWatch } from "../config/watch.ts";
import type { Erasure } from "../data/erasure.ts";
import type { RetentionOutlook } from "../data/retention-outlook.ts";
import type { UserData } from "../data/user-data.ts";
import type { UserHistory } from "../data/user-history.ts";
import { validator } from "../documents/validator.ts";
import type { HealthBoard } from "../health/health-board.ts";
import type { HotAnswers } from "../http/hot-answers.ts";
import { admit, type IdentityGate, type Need } from "../http/identity.ts";
import type { Handler, ServeStream } from "../http/listener.ts";
import { requestIdOf } from "../http/request-id.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { Applies } from "../topology/applies.ts";
import type { Topology } from "../topology/topology.ts";
import { checkBinaryBody, createAdapter } from "./adapter.ts";
import { callerKey, requestIdKey } from "./call-context.ts";
import { configService } from "./config-service.ts";
import { codeName, toConnectError } from "./error-mapping.ts";
import { grpcHealthService } from "./grpc-health-service.ts";
import { gzip } from "./gzip.ts";
import { healthService } from "./health-service.ts";
import { deadlineInterceptor } from "./interceptors/deadline.ts";
import { errorInterceptor } from "./interceptors/errors.ts";
import { telemetryInterceptor } from "./interceptors/telemetry.ts";
import { leanCalls, type Register, registerRecorded } from "./lean/lean-calls.ts";
import { LeanGets } from "./lean/lean-gets.ts";
import { type LeanOptions, LeanPath } from "./lean/lean-path.ts";
import { type Failure, failureKey } from "./lean/through-connect.ts";
import { reflectionService } from "./reflection-service.ts";
import { releaseService } from "./release-service.ts";
import { retentionMethods } from "./retention-methods.ts";
import type { ServingStatus } from "./serving-status.ts";
import { topologyService } from "./topology-service.ts";
import { userDataService } from "./userdata-service.ts";

/** The hub's own services: what reflection lists and health speaks for. */
export const SERVICES: readonly DescService[] = [
  ConfigService,
  ReleaseService,
  HealthService,
  TopologyService,
  UserDataService,
];
const STANDARD: readonly DescService[] = [Health, ServerReflection, ServerReflectionAlpha];

/** What the services answer from. */
export interface Answers {
  readonly config: ConfigManager;
  readonly watch: ConfigWatch;
  readonly rollout: RolloutView;
  readonly desk: ReleaseDesk;
  readonly board: RolloutBoard;
  readonly topology: Topology;
  readonly applies: Applies;
  readonly audit: AuditLog;
  readonly health: HealthBoard;
  readonly userData: UserData;
  readonly userHistory: UserHistory;
  readonly retentionOutlook: RetentionOutlook;
  readonly erasure: Erasure;
  readonly status: ServingStatus;
  readonly reflection: boolean;
  /** Time that a unary call may take, in milliseconds. */
  readonly unaryDeadlineMs: number;
}

/** Registers every service. */
export function hubRoutes(answers: Answers): (register: Register) => void {
  const { config, watch, rollout, desk, board, topology, applies, audit, health, status, reflection } =
    answers;
  const { userData, userHistory, retentionOutlook, erasure, unaryDeadlineMs } = answers;
  return (register) => {
    register(ConfigService, configService(config, watch, rollout));
    register(ReleaseService, releaseService(desk, board, audit));
    register(HealthService, healthService(health));
    register(TopologyService, topologyService(topology, applies));
    register(UserDataService, {
      ...userDataService(userData, userHistory, erasure, audit, unaryDeadlineMs),
      ...retentionMethods(retentionOutlook),
    });
    register(Health, grpcHealthService(status));
    if (!reflection) return;
    const implementation = reflectionService([...SERVICES, ...STANDARD]);
    register(ServerReflection, implementation);
    register(ServerReflectionAlpha, implementation as object);
  };
}

/** Calls whose answers depend on the snapshot and the request, and on nothing else. */
export const ANSWERED_BY_SNAPSHOT: ReadonlySet<DescMethod> = new Set([
  ConfigService.method.getMessagingConfig,
  ConfigService.method.getNatsSubjects,
  ConfigService.method.getKafkaTopics,
  ConfigService.method.getKafkaConsumerGroups,
  ConfigService.method.checkPermission,
]);

/** Calls that wait for others, and bound that wait by themselves. */
const UNHURRIED: ReadonlySet<DescMethod> = new Set([
  ReleaseService.method.publishConfig,
  TopologyService.method.planTopology,
  TopologyService.method.importTopology,
  UserDataService.method.verifyUserHistory,
  UserDataService.method.eraseUser,
  UserDataService.method.getRetention,
]);

const JSON_OPTIONS = { alwaysEmitImplicit: true, ignoreUnknownFields: false };
/** Smallest message that is compressed for a client that takes that. */
const COMPRESS_MIN_BYTES = 4096;

/** What answers RPCs: any request, and ordinary ones over HTTP/2 as they come. */
export interface Rpc {
  readonly handler: Handler;
  readonly serveStream?: ServeStream;
}

/** What every call passes through. Sizes in bytes, times in milliseconds. */
export interface RpcOptions {
  readonly routes: (register: Register) => void;
  readonly gate: IdentityGate;
  readonly needOf: (method: DescMethod) => Need;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly readMaxBytes: number;
  readonly writeMaxBytes: number;
  readonly unaryDeadlineMs: number;
  /** Ends every open call when it is aborted. */
  readonly shutdown: AbortSignal;
  /** Headers for every answer, such as how old the configuration is while the log is out of reach. */
  readonly extraHeaders: () => Readonly<Record<string, string>>;
  /** Whether ordinary calls take the lean path. */
  readonly leanPath: boolean;
  /** What the answers of a method depend on beside the request, where that is all that they depend on. */
  readonly basisOf: (method: DescMethod) => (() => unknown) | undefined;
  /** Answers what is not an RPC. */
  readonly fallback: Handler;
  /** Where answers to GET requests are kept that depend on the snapshot alone. */
  readonly hot?: HotAnswers;
}

/**
 * The Connect face: gRPC, gRPC-Web and Connect for every service. Options stand here, on the router, once: a
 * service that brings its own would replace the interceptors and open the protocols again.
 */
export function createRpc(options: RpcOptions): Rpc {
  // The first is the outermost. The gate runs before all of them, and before the body is read.
  const interceptors: Interceptor[] = [
    telemetryInterceptor(options.logger, options.metrics),
    errorInterceptor,
    deadlineInterceptor(options.unaryDeadlineMs, UNHURRIED),
    createValidateInterceptor({ validator }),
  ];
  const router = createConnectRouter({
    interceptors,
    requestGate: requestGate(options),
    readMaxBytes: options.readMaxBytes,
    writeMaxBytes: options.writeMaxBytes,
    // Brotli at its default quality costs more time than it saves.
    acceptCompression: [gzip],
    compressMinBytes: COMPRESS_MIN_BYTES,
    jsonOptions: JSON_OPTIONS,
    shutdownSignal: options.shutdown,
  });
  const services = registerRecorded(router, options.routes);
  const handler = createAdapter(router, options.fallback, options.logger);
  if (!options.leanPath) return { handler };
  const calls = leanCalls(services, router.handlers, { ...options, json: JSON_OPTIONS });
  const leanOptions: LeanOptions = {
    ...options,
    compressMinBytes: COMPRESS_MIN_BYTES,
    deadlineMsOf: ({ method }) => (UNHURRIED.has(method) ? 0 : options.unaryDeadlineMs),
  };
  const lean = new LeanPath(calls, leanOptions);
  const gets = options.hot && new LeanGets(calls, leanOptions, options.hot);
  return {
    handler: (request, response) => {
      if (!gets?.serve(request, response)) handler(request, response);
    },
    serveStream: (stream) => lean.serve(stream),
  };
}

function requestGate({
  gate,
  needOf,
  logger,
  metrics,
  readMaxBytes,
  extraHeaders,
}: RpcOptions): (context: HandlerContext) => Promise<void> {
  return async (context) => {
    const requestId =
      context.values.get(failureKey)?.requestId ?? requestIdOf(context.requestHeader.get("x-request-id"));
    context.values.set(requestIdKey, requestId);
    context.responseHeader.set("x-request-id", requestId);
    for (const [name, value] of Object.entries(extraHeaders())) context.responseHeader.set(name, value);
    const failure = context.values.get(failureKey);
    if (failure) throw laidOut(failure, context);
    try {
      const authorization = context.requestHeader.get("authorization") ?? undefined;
      context.values.set(callerKey, await admit(gate, needOf(context.method), authorization));
      await checkBinaryBody(context, readMaxBytes);
    } catch (error) {
      const refusal = toConnectError(error, requestId);
      const rpc = `${context.service.typeName}/${context.method.name}`;
      metrics.rpcHandled(context.service.typeName, context.method.name, codeName(refusal), 0);
      if (refusal.code === Code.Internal) {
        logger.error({ requestId, rpc, err: refusal.cause }, "the gate failed");
      } else logger.info({ requestId, rpc, reason: refusal.rawMessage }, "call refused at the gate");
      throw refusal;
    }
  };
}

// The call has run on the lean path and is counted there; what its handler has said goes with the error.
function laidOut({ error, header, trailer }: Failure, context: HandlerContext): unknown {
  for (const [name, value] of header ?? []) context.responseHeader.append(name, value);
  for (const [name, value] of trailer ?? []) context.responseTrailer.append(name, value);
  return error;
}
