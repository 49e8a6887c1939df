import { CODE } from "../http2/constants.ts";
import type { ServerSession } from "../http2/server-session.ts";

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

/** What watches over one HTTP/2 connection. */
export interface SessionGuard {
  /** A request has come, or an answer begun to wait. */
  look(): void;
}

/**
 * Watches over the time of one HTTP/2 connection: a client that sends half a request, or nothing, or takes no answer,
 * would hold its place for ever.
 */
export function guardSession(session: ServerSession, limits: SessionLimits): SessionGuard {
  const idle = guardIdle(session, limits);
  const streams = guardStreams(session, limits);
  const stopPings = keepAlive(session, limits);
  const age =
    limits.connectionAgeMs > 0
      ? setTimeout(() => session.close(), jitter(limits.connectionAgeMs, 0.1))
      : undefined;
  session.once("close", () => {
    idle.stop();
    streams.stop();
    clearTimeout(age);
    stopPings();
  });
  return streams;
}

// A busy connection is idle for moments all the time, and a timer for each would cost more than one that finds out when
// it fires how long it has been.
function guardIdle(
  session: ServerSession,
  { headersTimeoutMs, idleTimeoutMs }: SessionLimits,
): { stop(): void } {
  let timer = setTimeout(look, headersTimeoutMs);
  function look(): void {
    const limit = session.hasServed ? idleTimeoutMs : headersTimeoutMs;
    const left = session.open > 0 ? limit : session.idleSince + limit - performance.now();
    if (left > 0) timer = setTimeout(look, left);
    else leave(session);
  }
  return { stop: () => clearTimeout(timer) };
}

// Says goodbye first, so that a client that is merely early does not take it for a failure.
function leave(session: ServerSession): void {
  session.close();
  setTimeout(() => session.destroy(), LEAVE_MS).unref();
}

// Most streams are over in a moment, and timers of their own would be a good part of what they cost. So all of a connection
// are looked at now and then, as long as there are some whose time is bounded.
function guardStreams(session: ServerSession, limits: SessionLimits): SessionGuard & { stop(): void } {
  const beatMs = Math.max(1, Math.min(1_000, limits.bodyTimeoutMs / 4, limits.idleTimeoutMs / 4));
  let timer: NodeJS.Timeout | undefined;
  const look = (): void => {
    const now = performance.now();
    let isDone = true;
    for (const stream of session.streams()) {
      const { incoming, outgoing, began, headers } = stream;
      const isBounded = !incoming.isEnded && !limits.mayStreamRequest(headers[":path"] ?? "");
      const isStalled = outgoing.stalledSince > 0;
      if (isBounded || isStalled) isDone = false;
      // Silence is free, an answer that its client does not take is not.
      if (isBounded && now - began > limits.bodyTimeoutMs) stream.close(CODE.CANCEL);
      else if (isStalled && now - outgoing.stalledSince > limits.idleTimeoutMs) stream.close(CODE.CANCEL);
    }
    timer = isDone ? undefined : setTimeout(look, beatMs);
  };
  return {
    look: () => {
      timer ??= setTimeout(look, beatMs);
    },
    stop: () => {
      clearTimeout(timer);
    },
  };
}

function keepAlive(session: ServerSession, limits: SessionLimits): () => void {
  let overdue: NodeJS.Timeout | undefined;
  const timer = setInterval(
    () => {
      if (session.isOver || overdue) return;
      overdue = setTimeout(() => session.destroy(), limits.keepAliveTimeoutMs);
      session.ping(() => {
        clearTimeout(overdue);
        overdue = undefined;
      });
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
