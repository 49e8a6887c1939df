import { createContextKey, type HandlerContext } from "@connectrpc/connect";
import type { CallEnd } from "../data/event-import.ts";
import { type Caller, NOBODY } from "../http/identity.ts";

/** Who makes the call; set by the gate. */
export const callerKey = createContextKey<Caller>(NOBODY, { description: "caller" });

/** The id of the call, for the client, the log and every error; set by the gate. */
export const requestIdKey = createContextKey<string>("", { description: "request id" });

/** Whether the call is over, for whoever only asks now and then: a signal costs more. Undefined where there is but a signal. */
export const endKey = createContextKey<CallEnd | undefined>(undefined, { description: "end" });

/** The end of a call, from its signal where there is nothing cheaper. */
export function endOf(context: HandlerContext): CallEnd {
  const known = context.values.get(endKey);
  if (known) return known;
  const { signal } = context;
  const end: { aborted: boolean; onAbort: (() => void) | undefined } = {
    aborted: signal.aborted,
    onAbort: undefined,
  };
  const abort = (): void => {
    end.aborted = true;
    end.onAbort?.();
  };
  signal.addEventListener("abort", abort, { once: true });
  return end;
}
