import { ConnectError, type Interceptor } from "@connectrpc/connect";
import type { Logger } from "../../telemetry/logger.ts";
import type { Metrics } from "../../telemetry/metrics.ts";
import { callerKey, requestIdKey } from "../call-context.ts";
import { codeName } from "../error-mapping.ts";
import { watchOutcome } from "./outcome.ts";

/** Counts, times and logs every call, once it has ended. Errors of the hub itself are logged with their cause. */
export function telemetryInterceptor(logger: Logger, metrics: Metrics): Interceptor {
  return (next) => async (call) => {
    const service = call.service.typeName;
    const method = call.method.name;
    const began = performance.now();
    metrics.rpcStarted(service, method);
    return await watchOutcome(next, call, (error) => {
      const seconds = (performance.now() - began) / 1000;
      const code = error === undefined ? "OK" : codeName(error);
      metrics.rpcHandled(service, method, code, seconds);
      const fields = {
        requestId: call.contextValues.get(requestIdKey),
        caller: call.contextValues.get(callerKey).subject,
        rpc: `${service}/${method}`,
        code,
        seconds,
      };
      if (code === "INTERNAL" || code === "UNKNOWN" || code === "DATA_LOSS") {
        logger.error({ ...fields, err: rootCause(error) }, "call failed in the hub");
      } else logger.debug(fields, "call ended");
      return error;
    });
  };
}

function rootCause(error: unknown): unknown {
  return error instanceof ConnectError && error.cause !== undefined ? error.cause : error;
}
