import type { Interceptor } from "@connectrpc/connect";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { callerKey, requestIdKey } from "../call-context.ts";
import { reportCall } from "../call-report.ts";
import { watchOutcome } from "./outcome.ts";

/** Counts, times and logs every call, once it has ended. Errors of the hub itself are logged with their cause. */
export function telemetryInterceptor(logger: Logger, metrics: Metrics): Interceptor {
  return (next) => async (call) => {
    const facts = {
      service: call.service.typeName,
      method: call.method.name,
      requestId: call.contextValues.get(requestIdKey),
      caller: call.contextValues.get(callerKey).subject,
      began: performance.now(),
    };
    metrics.rpcStarted(facts.service, facts.method);
    return await watchOutcome(next, call, (error) => {
      reportCall(logger, metrics, facts, error);
      return error;
    });
  };
}
