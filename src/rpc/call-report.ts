import { ConnectError } from "@connectrpc/connect";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { codeName } from "./error-mapping.ts";

/** A call that has ended. */
export interface EndedCall {
  /** Full name of the service. */
  readonly service: string;
  readonly method: string;
  readonly requestId: string;
  /** The caller's subject. */
  readonly caller: string;
  /** performance.now() when it began. */
  readonly began: number;
}

/** Counts, times and logs a call that has ended, with its error or undefined. Errors of the hub itself keep their cause. */
export function reportCall(logger: Logger, metrics: Metrics, call: EndedCall, error: unknown): void {
  const { service, method, requestId, caller, began } = call;
  const seconds = (performance.now() - began) / 1000;
  const code = error === undefined ? "OK" : codeName(error);
  metrics.rpcHandled(service, method, code, seconds);
  const fields = { requestId, caller, rpc: `${service}/${method}`, code, seconds };
  if (code === "INTERNAL" || code === "UNKNOWN" || code === "DATA_LOSS") {
    logger.error({ ...fields, err: rootCause(error) }, "call failed in the hub");
  } else logger.debug(fields, "call ended");
}

function rootCause(error: unknown): unknown {
  return error instanceof ConnectError && error.cause !== undefined ? error.cause : error;
}
