import { setTimeout as sleep } from "node:timers/promises";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { CommandFailed } from "./command.ts";
import { explain, networkReason, type Target } from "./connection.ts";

/** How to stay with a stream. */
export interface Manner {
  /** True to end with the first connection. */
  readonly once: boolean;
  readonly signal: AbortSignal;
  /** Takes what there is to say about the connection. */
  readonly say: (text: string) => void;
}

/** Calls the stream of one connection, until the signal. */
export type OpenStream<Message> = (signal: AbortSignal) => AsyncIterable<Message>;

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 30_000;

/**
 * The messages of a stream, across connections: a hub that goes away is called again. Ends at the signal. Throws
 * CommandFailed when the hub refuses, cannot be reached at the first try, or goes away from a stream that is for once.
 * The target's timeout is the time without a message after which a connection is held for lost. `startAnew` may
 * prepare another call after a refusal; true: it has.
 */
export async function* reconnecting<Message>(
  target: Target,
  open: OpenStream<Message>,
  { once, signal, say }: Manner,
  startAnew: (error: ConnectError) => boolean = () => false,
): AsyncGenerator<Message> {
  let wasHeard = false;
  for (let failures = 0; !signal.aborted; ) {
    const failure = new Failure();
    for await (const message of connection(target, open, signal, failure)) {
      if (failures > 0) say("the hub is back");
      failures = 0;
      wasHeard = true;
      yield message;
    }
    if (signal.aborted) return;
    const { error } = failure;
    if (startAnew(error)) {
      say(`${explain(error, target)}; starting anew`);
      continue;
    }
    const reason = explain(error, target);
    if (once || !wasHeard || !isPassing(error)) throw new CommandFailed(reason, { cause: error });
    const delayMs = delayAfter(error, failures++);
    say(`${reason}; trying again in ${(delayMs / 1000).toFixed(1)} s`);
    await sleep(delayMs, undefined, { signal }).catch(() => {});
  }
}

/** Why a connection ended. */
class Failure {
  error = new ConnectError("the hub ended the watch", Code.Unavailable);
}

// The messages of one connection; what ended it is left in `failure`, so that errors of the reader are not taken
// for the hub's.
async function* connection<Message>(
  target: Target,
  open: OpenStream<Message>,
  signal: AbortSignal,
  failure: Failure,
): AsyncGenerator<Message> {
  const silence = new AbortController();
  const limitMs = Math.ceil(target.timeoutSeconds * 1000);
  const onSilence = (): void => {
    silence.abort(new ConnectError("no sign of life from the hub", Code.DeadlineExceeded));
  };
  let timer = setTimeout(onSilence, limitMs);
  const messages = open(AbortSignal.any([signal, silence.signal]))[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await messages.next();
      clearTimeout(timer);
      if (next.done) return;
      yield next.value;
      timer = setTimeout(onSilence, limitMs);
    }
  } catch (error) {
    failure.error = silence.signal.aborted ? silence.signal.reason : ConnectError.from(error);
  } finally {
    clearTimeout(timer);
    silence.abort();
  }
}

// Whether the same request may be answered a moment later. What a proxy in between cuts off has many codes.
function isPassing(error: ConnectError): boolean {
  if (networkReason(error) !== undefined) return true;
  switch (error.code) {
    case Code.InvalidArgument:
    case Code.NotFound:
    case Code.Unauthenticated:
    case Code.PermissionDenied:
    case Code.Unimplemented:
    case Code.FailedPrecondition:
      return false;
    default:
      return true;
  }
}

// What the hub asks for, else twice the time before; with jitter, so that many do not come at once.
function delayAfter(error: ConnectError, failures: number): number {
  const [{ retryDelay } = { retryDelay: undefined }] = error.findDetails(RetryInfoSchema);
  const asked = failures === 0 && retryDelay ? durationMs(retryDelay) : 0;
  const backoff = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** failures);
  return Math.min(BACKOFF_MAX_MS, Math.max(asked, backoff * (0.5 + Math.random() / 2)));
}
