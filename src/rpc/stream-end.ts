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
export function untilShutdown<Message>(
  messages: AsyncIterable<Message>,
  signal: AbortSignal,
): AsyncIterableIterator<Message> {
  return new UntilShutdown(messages[Symbol.asyncIterator](), signal);
}

// Thousands of streams stay open for days, and a generator around each would be a good part of their memory.
class UntilShutdown<Message> implements AsyncIterableIterator<Message> {
  readonly #messages: AsyncIterator<Message>;
  readonly #signal: AbortSignal;
  readonly #pass = (result: IteratorResult<Message>): IteratorResult<Message> => {
    if (result.done && isStop(this.#signal)) throw comeBackLater();
    return result;
  };

  constructor(messages: AsyncIterator<Message>, signal: AbortSignal) {
    this.#messages = messages;
    this.#signal = signal;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Message>> {
    return this.#messages.next().then(this.#pass);
  }

  async return(): Promise<IteratorResult<Message>> {
    await this.#messages.return?.();
    return { done: true, value: undefined };
  }
}

function comeBackLater(): ConnectError {
  const retryDelay = durationFromMs(Math.round(Math.random() * RECONNECT_SPREAD_MS));
  const error = new ConnectError("the hub is shutting down; connect again", Code.Unavailable);
  error.details.push({ desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay }) });
  return error;
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
