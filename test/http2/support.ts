// A session and a stock client at the two ends of a pair of streams in memory, or bytes written by hand.
import * as http2 from "node:http2";
import { type Duplex, duplexPair } from "node:stream";
import { onTestFinished } from "vitest";
import { ServerSession } from "../../src/http2/server-session.ts";
import type { ServerStream } from "../../src/http2/server-stream.ts";
import type { SessionBounds } from "../../src/http2/session-bounds.ts";

export const BOUNDS: SessionBounds = {
  streams: 100,
  headerBytes: 16_384,
  headerFields: 64,
  streamWindow: 65_535,
  connectionWindow: 131_070,
  queueBytes: 1_048_576,
  unreadBytes: 1_048_576,
  resets: { burst: 200, perSecond: 20 },
  faults: { burst: 50, perSecond: 5 },
};

/** Answers streams; `bounds` in the place of the usual ones. */
export function serve(
  request: (stream: ServerStream) => void,
  bounds: Partial<SessionBounds> = {},
): { session: ServerSession; end: Duplex } {
  const [near, far] = duplexPair();
  const session = new ServerSession(near, { ...BOUNDS, ...bounds }, { request, stalled: () => {} });
  onTestFinished(() => session.destroy());
  far.on("error", () => {});
  return { session, end: far };
}

/** A client of Node's that speaks with a session. */
export function client(end: Duplex, settings: http2.Settings = {}): http2.ClientHttp2Session {
  const session = http2.connect("http://hub", { createConnection: () => end, settings });
  session.on("error", () => {});
  onTestFinished(() => session.destroy());
  return session;
}

/** Reads a whole body, and says at once that it needs no more room. */
export function bodyOf(stream: ServerStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  return new Promise((resolve) => {
    stream.read({
      data: (chunk) => {
        chunks.push(Buffer.from(chunk));
        stream.consumed(chunk.length);
      },
      end: () => resolve(Buffer.concat(chunks)),
    });
  });
}

/** What one call of a client gave. */
export interface Outcome {
  readonly status: number;
  readonly headers: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders;
  readonly body: Buffer;
  readonly code: number;
}

/** Makes a call, and waits until its stream is over. */
export async function call(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: Buffer,
): Promise<Outcome> {
  const stream = session.request({ ":method": "POST", ...headers }, { endStream: body === undefined });
  let answer: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader = {};
  let trailers: http2.IncomingHttpHeaders = {};
  const chunks: Buffer[] = [];
  stream.on("response", (value) => {
    answer = value;
  });
  stream.on("trailers", (value) => {
    trailers = value;
  });
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("error", () => {});
  if (body) stream.end(body);
  await closed(stream);
  return {
    status: answer[":status"] ?? 0,
    headers: answer,
    trailers,
    body: Buffer.concat(chunks),
    code: stream.rstCode ?? 0,
  };
}

/** Waits for a stream's end, also one that comes with an error. */
export function closed(stream: http2.ClientHttp2Stream): Promise<void> {
  return new Promise((resolve) => {
    stream.once("close", resolve);
  });
}
