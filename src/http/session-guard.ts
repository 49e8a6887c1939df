import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { constants } from "node:http2";
import type { Readable } from "node:stream";

/** What bounds one HTTP/2 connection. Times in milliseconds. */
export interface SessionLimits {
  /** Open streams of one connection, at most. */
  readonly streamsPerConnection: number;
  /** Time from a connection's start to the end of its first request's headers. */
  readonly headersTimeoutMs: number;
  /** Time from a request's headers to the end of its body, however steadily it trickles in. */
  readonly bodyTimeoutMs: number;
  /** Time that a connection may have no request open, and that an answer may wait for its client to take it. */
  readonly idleTimeoutMs: number;
  /** Time between two pings. */
  readonly keepAliveIntervalMs: number;
  /** Time that a ping may stay unanswered. */
  readonly keepAliveTimeoutMs: number;
  /** Age at which a connection is asked to go, so that clients spread again over hubs; 0: none. */
  readonly connectionAgeMs: number;
  /** Whether the client may keep the body of a request to this path open as long as it likes. */
  mayStreamRequest(path: string): boolean;
}

/** Time that a client has to act on a goodbye. */
export const LEAVE_MS = 1_000;

/**
 * Reads what is left of a request and drops it. A call that is answered before its body has ended, such as one that
 * is too large, leaves the rest unread: without this its client would wait for ever to send it.
 */
export function discardRest(body: Readable): void {
  // Whoever began to read has left, and would keep the stream from flowing.
  body.removeAllListeners("readable");
  body.removeAllListeners("data");
  body.on("data", () => {});
  body.resume();
}

/** Drops what is left of a request when its answer is written, and bears with its client for a moment. */
export function dropRestOnceAnswered(stream: ServerHttp2Stream): void {
  if (!stream.endAfterHeaders) stream.on("finish", endRest);
}

/** What watches over one HTTP/2 connection. */
export interface SessionGuard {
  /** Takes a stream in, with the path of its request. */
  add(stream: ServerHttp2Stream, path: string | undefined): void;
}

/**
 * Watches over one HTTP/2 connection. Node has such timers for HTTP/1.1 only: without these, a client that
 * sends half a request, or nothing, would hold its place for ever.
 */
export function guardSession(session: ServerHttp2Session, limits: SessionLimits): SessionGuard {
  session.on("error", ignore);
  let open = 0;
  const idle = guardIdle(session, limits, () => open > 0);
  const lasting = guardLasting(limits);
  const add = (stream: ServerHttp2Stream, path: string | undefined): void => {
    open += 1;
    const place = lasting.add(stream, path);
    stream.on("close", () => {
      open -= 1;
      lasting.drop(place);
      if (open === 0 && !session.destroyed) idle.begin();
    });
  };
  const stopPings = keepAlive(session, limits);
  const age =
    limits.connectionAgeMs > 0
      ? setTimeout(() => session.close(), jitter(limits.connectionAgeMs, 0.1))
      : undefined;
  session.once("close", () => {
    idle.stop();
    lasting.stop();
    clearTimeout(age);
    stopPings();
  });
  return { add };
}

// A busy connection is idle for moments all the time, and a timer for each would cost more than one that finds out when
// it fires how long it has been.
function guardIdle(
  session: ServerHttp2Session,
  { headersTimeoutMs, idleTimeoutMs }: SessionLimits,
  isBusy: () => boolean,
): { begin(): void; stop(): void } {
  let ends = 0;
  let fires = 0;
  let timer: NodeJS.Timeout | undefined;
  const wait = (ms: number): void => {
    fires = performance.now() + ms;
    timer = setTimeout(look, ms);
  };
  const look = (): void => {
    timer = undefined;
    if (isBusy()) return;
    const left = ends - performance.now();
    if (left > 0) wait(left);
    else leave(session);
  };
  const begin = (ms: number): void => {
    ends = performance.now() + ms;
    if (timer && fires <= ends) return;
    clearTimeout(timer);
    wait(ms);
  };
  begin(headersTimeoutMs);
  return { begin: () => begin(idleTimeoutMs), stop: () => clearTimeout(timer) };
}

// Says goodbye first, so that a client that is merely early does not take it for a failure.
function leave(session: ServerHttp2Session): void {
  session.close();
  setTimeout(() => session.destroy(), LEAVE_MS).unref();
}

// The answer is on its way, and the client has this long to end its request by itself.
function endRest(this: ServerHttp2Stream): void {
  if (remoteHasEnded(this)) return;
  discardRest(this);
  const timer = setTimeout(() => {
    if (!remoteHasEnded(this)) this.close(constants.NGHTTP2_NO_ERROR);
  }, LEAVE_MS);
  this.once("close", () => clearTimeout(timer));
}

/** Streams of one connection, each from its start to its end. */
interface Lasting {
  /** Gives the place by which it is dropped. */
  add(stream: ServerHttp2Stream, path: string | undefined): number;
  drop(place: number): void;
  stop(): void;
}

interface Young {
  readonly stream: ServerHttp2Stream;
  readonly path: string;
  readonly beat: number;
}

// Most streams are over in a moment, and timers of their own would be a good part of what they cost. Only those that
// two beats have found open get them.
//
// Streams lie in places that are used again and again, not in a Map: one whose entries come and go makes itself anew all
// the time, and those it was before keep dead streams from the collector of young objects.
function guardLasting(limits: SessionLimits): Lasting {
  const beatMs = Math.max(1, Math.min(1_000, limits.bodyTimeoutMs / 4, limits.idleTimeoutMs / 4));
  const places: (Young | undefined)[] = [];
  const free: number[] = [];
  let beat = 0;
  let next: NodeJS.Timeout | undefined;
  const look = (): void => {
    beat += 1;
    let isDone = true;
    for (const [place, young] of places.entries()) {
      if (!young) continue;
      if (beat - young.beat < 2) {
        isDone = false;
        continue;
      }
      places[place] = undefined;
      guardStream(young.stream, young.path, limits, beatMs);
    }
    next = isDone ? undefined : setTimeout(look, beatMs);
  };
  return {
    add: (stream, path = "") => {
      const place = free.pop() ?? places.length;
      places[place] = { stream, path, beat };
      next ??= setTimeout(look, beatMs);
      return place;
    },
    drop: (place) => {
      places[place] = undefined;
      free.push(place);
    },
    stop: () => clearTimeout(next),
  };
}

function guardStream(stream: ServerHttp2Stream, path: string, limits: SessionLimits, beatMs: number): void {
  // As in listener.ts: silence is free, an answer that its client does not take is not.
  stream.setTimeout(limits.idleTimeoutMs, () => {
    if (stream.writableLength > 0) stream.close(constants.NGHTTP2_CANCEL);
  });
  if (remoteHasEnded(stream) || limits.mayStreamRequest(path)) return;
  // An absolute time: a stream's own timeout starts anew with every byte.
  const timer = setTimeout(() => {
    if (!remoteHasEnded(stream)) stream.close(constants.NGHTTP2_CANCEL);
  }, limits.bodyTimeoutMs - beatMs);
  stream.once("close", () => clearTimeout(timer));
}

function ignore(): void {}

function remoteHasEnded(stream: ServerHttp2Stream): boolean {
  if (stream.destroyed || stream.readableEnded) return true;
  const { state } = stream.state;
  return (
    state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_REMOTE ||
    state === constants.NGHTTP2_STREAM_STATE_CLOSED
  );
}

function keepAlive(session: ServerHttp2Session, limits: SessionLimits): () => void {
  let overdue: NodeJS.Timeout | undefined;
  const timer = setInterval(
    () => {
      if (session.destroyed || overdue) return;
      overdue = setTimeout(() => session.destroy(), limits.keepAliveTimeoutMs);
      const sent = session.ping(() => {
        clearTimeout(overdue);
        overdue = undefined;
      });
      if (!sent) {
        clearTimeout(overdue);
        overdue = undefined;
      }
    },
    jitter(limits.keepAliveIntervalMs, 0.2),
  );
  return () => {
    clearInterval(timer);
    clearTimeout(overdue);
  };
}

function jitter(ms: number, share: number): number {
  return Math.round(ms * (1 + share * (2 * Math.random() - 1)));
}
