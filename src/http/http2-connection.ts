import type { Duplex } from "node:stream";
import { ServerSession } from "../http2/server-session.ts";
import type { ServerStream } from "../http2/server-stream.ts";
import type { SessionBounds } from "../http2/session-bounds.ts";
import { serveExchange } from "./http2-exchange.ts";
import type { Handler, Serving } from "./listener.ts";
import { guardSession, type SessionGuard, type SessionLimits } from "./session-guard.ts";

/** Ways to answer, of which the last is for what the others have left. */
interface Ways {
  readonly handler: Handler;
  readonly serveStream?: Serving["serveStream"] | undefined;
  readonly serveRequest?: Serving["serveRequest"] | undefined;
  readonly hold?: Serving["hold"] | undefined;
}

/** Bytes of one body that may be on their way, and of all of a connection. */
const STREAM_WINDOW = 262_144;
const CONNECTION_WINDOW = 1_048_576;
/** As many as HTTP/2 can count, for what is not bounded. */
export const UNBOUNDED = 1_000_000_000;

/** Serves HTTP/2 on a client's connection, and watches over it. */
export function serveSession(socket: Duplex, limits: SessionLimits, ways: Ways): ServerSession {
  const bounds: SessionBounds = {
    streams: limits.streamsPerConnection,
    headerBytes: 16_384,
    headerFields: 64,
    streamWindow: STREAM_WINDOW,
    connectionWindow: CONNECTION_WINDOW,
    queueBytes: 10_485_760,
    unreadBytes: 2_097_152,
    resets: { burst: 200, perSecond: 20 },
    faults: { burst: 50, perSecond: 5 },
  };
  let guard: SessionGuard | undefined;
  const session = new ServerSession(socket, bounds, {
    request: (stream) => {
      guard?.look();
      serve(stream, ways);
    },
    stalled: () => guard?.look(),
  });
  guard = guardSession(session, limits);
  return session;
}

/** The same on a connection within the hub, whose other end has bounded and watched its clients. */
export function serveInnerSession(connection: Duplex, window: number, ways: Ways): void {
  const unbounded = { burst: Number.POSITIVE_INFINITY, perSecond: 0 };
  const bounds: SessionBounds = {
    streams: UNBOUNDED,
    headerBytes: 65_536,
    headerFields: 256,
    streamWindow: window,
    connectionWindow: UNBOUNDED,
    queueBytes: Number.POSITIVE_INFINITY,
    unreadBytes: Number.POSITIVE_INFINITY,
    resets: unbounded,
    faults: unbounded,
  };
  new ServerSession(connection, bounds, { request: (stream) => serve(stream, ways), stalled: () => {} });
}

function serve(stream: ServerStream, ways: Ways): void {
  // Who has left while it was kept waiting is not served any more.
  if (ways.hold) ways.hold.pass(() => serveNow(stream, ways));
  else serveNow(stream, ways);
}

function serveNow(stream: ServerStream, { handler, serveRequest, serveStream }: Ways): void {
  if (stream.closed || serveStream?.(stream)) return;
  serveExchange(stream, (request, response) => {
    if (!serveRequest?.(request, response)) handler(request, response);
  });
}
