import type { Interceptor } from "@connectrpc/connect";
import { requestIdKey } from "../call-context.ts";
import { toConnectError } from "../error-mapping.ts";
import { watchOutcome } from "./outcome.ts";

/** Turns whatever a handler throws into the error that leaves the hub. */
export const errorInterceptor: Interceptor = (next) => async (call) =>
  await watchOutcome(next, call, (error) =>
    error === undefined ? undefined : toConnectError(error, call.contextValues.get(requestIdKey)),
  );
