import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";

/** Time over which the clients of a hub that stops are asked to spread their return, in milliseconds. */
const RECONNECT_SPREAD_MS = 2_000;

/**
 * Passes a stream on, and ends it with UNAVAILABLE when the hub stops. Each client is told another time to come back
 * at, so that they do not all come at once.
 */
export async function* untilShutdown<Message>(
  messages: AsyncIterable<Message>,
  signal: AbortSignal,
): AsyncGenerator<Message> {
  yield* messages;
  if (!isStop(signal)) return;
  const retryDelay = durationFromMs(Math.round(Math.random() * RECONNECT_SPREAD_MS));
  const error = new ConnectError("the hub is shutting down; connect again", Code.Unavailable);
  error.details.push({ desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay }) });
  throw error;
}

/** A signal that is aborted when the hub stops while the call is open, and not when the caller leaves. */
export function untilHubStops(signal: AbortSignal): AbortSignal {
  const stop = new AbortController();
  const pass = (): void => {
    if (isStop(signal)) stop.abort(signal.reason);
  };
  if (signal.aborted) pass();
  else signal.addEventListener("abort", pass, { once: true });
  return stop.signal;
}

function isStop({ reason }: AbortSignal): boolean {
  return reason instanceof ConnectError && reason.code === Code.Unavailable;
}
