import { createContextKey } from "@connectrpc/connect";
import { type Caller, NOBODY } from "../http/identity.ts";

/** Who makes the call; set by the gate. */
export const callerKey = createContextKey<Caller>(NOBODY, { description: "caller" });

/** The id of the call, for the client, the log and every error; set by the gate. */
export const requestIdKey = createContextKey<string>("", { description: "request id" });

/** Whether the call is over, for whoever only asks now and then: a signal costs more. Undefined where there is but a signal. */
export const endKey = createContextKey<{ readonly aborted: boolean } | undefined>(undefined, {
  description: "end",
});
