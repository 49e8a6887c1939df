import type { Interceptor, StreamResponse, UnaryResponse } from "@connectrpc/connect";

type Next = Parameters<Interceptor>[0];
type Call = Parameters<Next>[0];

/**
 * Calls `done` once when a call ends, with its error or undefined. A stream's handler runs after `next` has
 * returned, while its messages are pulled, so the messages are watched too.
 */
export async function watchOutcome(
  next: Next,
  call: Call,
  done: (error: unknown) => unknown,
): Promise<UnaryResponse | StreamResponse> {
  try {
    const response = await next(call);
    if (!response.stream) {
      done(undefined);
      return response;
    }
    return { ...response, message: watchMessages(response.message, done) };
  } catch (error) {
    throw done(error);
  }
}

async function* watchMessages<Message>(
  messages: AsyncIterable<Message>,
  done: (error: unknown) => unknown,
): AsyncIterable<Message> {
  let ended = false;
  try {
    yield* messages;
    ended = true;
    done(undefined);
  } catch (error) {
    ended = true;
    throw done(error);
  } finally {
    // The reader went away before the end.
    if (!ended) done(undefined);
  }
}
