import { createContextKey, createContextValues } from "@connectrpc/connect";
import type { UniversalHandler, UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { RequestHeaders } from "../../http2/request-head.ts";
import type { ServerStream } from "../../http2/server-stream.ts";
import { bodyKey, PeekableBody } from "../peekable-body.ts";
import { headersOf } from "./lean-context.ts";

/** How a call ended that Connect is to lay out: what its handler threw, and what it had said before. */
export interface Failure {
  readonly error: unknown;
  readonly header: Headers | undefined;
  readonly trailer: Headers | undefined;
  readonly requestId: string;
}

/** Set for a call that has run already: the gate throws it, and nothing else happens. */
export const failureKey = createContextKey<Failure | undefined>(undefined, { description: "failure" });

/**
 * Has Connect answer a call: one that is out of the ordinary, with the part of its body that has been read, or one that
 * has failed, for Connect to lay out the error as the call's protocol has it.
 */
export async function throughConnect(
  rpc: UniversalHandler,
  call: { readonly headers: RequestHeaders; readonly signal: AbortSignal },
  body: AsyncIterable<Uint8Array>,
  failure?: Failure,
): Promise<UniversalServerResponse> {
  const { headers, signal } = call;
  const { ":scheme": scheme, ":authority": authority, ":path": path, ":method": method } = headers;
  const contextValues = createContextValues();
  const peekable = new PeekableBody(body);
  contextValues.set(bodyKey, peekable);
  if (failure) contextValues.set(failureKey, failure);
  return await rpc({
    httpVersion: "2.0",
    method: method ?? "POST",
    url: `${scheme ?? "http"}://${authority}${path}`,
    header: headersOf(headers),
    body: peekable,
    signal,
    contextValues,
  });
}

/** Writes an answer of Connect to a stream that has none yet. */
export async function writeAnswer(answer: UniversalServerResponse, stream: ServerStream): Promise<void> {
  const { status, header, trailer, body } = answer;
  stream.respond([":status", String(status), ...fieldsOf(header)]);
  for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
    if (!stream.write(chunk)) await untilTaken(stream);
    if (stream.closed) return;
  }
  stream.end(undefined, trailer && fieldsOf(trailer));
}

/** Waits until a stream takes more, or is gone. */
export async function untilTaken(stream: ServerStream): Promise<void> {
  if (stream.closed) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off("drain", done);
      stream.off("close", done);
      resolve();
    };
    stream.once("drain", done);
    stream.once("close", done);
  });
}

/** Headers as names and values by turns. */
export function fieldsOf(headers: Headers | undefined): string[] {
  return headers ? [...headers].flat() : [];
}
