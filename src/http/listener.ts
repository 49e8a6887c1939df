import type * as http from "node:http";
import type { AddressInfo, Socket } from "node:net";
import type { ServerSession } from "../http2/server-session.ts";
import type { ServerStream } from "../http2/server-stream.ts";
import { ConnectionLimits } from "./connection-limits.ts";
import type { Hold } from "./hold.ts";
import { serveSession } from "./http2-connection.ts";
import { letGoAfterGoodbye, plainServer, type Server, secureServer } from "./servers.ts";
import type { SessionLimits } from "./session-guard.ts";

/** A request over HTTP/1.1, or one over HTTP/2 that looks like it (`http2-exchange.ts`). */
export type Request = http.IncomingMessage & { readonly authority?: string };
/** Its response. */
export type Response = http.ServerResponse;
/** Answers requests of both kinds. */
export type Handler = (request: Request, response: Response) => void;

/**
 * Takes a request over HTTP/2 as it comes, and sees to it that its body is read to its end; or leaves it to the Handler: then
 * it has read nothing of it.
 */
export type ServeStream = (stream: ServerStream) => boolean;

/** Ways to answer ordinary requests with less work; each says whether it has taken the request. */
export interface Shortcuts {
  readonly serveStream?: ServeStream;
  readonly serveRequest?: (request: Request, response: Response) => boolean;
}

/** Ways to answer, and what may keep all requests waiting. */
export interface Serving extends Shortcuts {
  readonly hold?: Hold;
}

/** What bounds the listener. Times in milliseconds. */
export interface ListenerLimits extends SessionLimits {
  /** Open connections, at most. */
  readonly connections: number;
  /** Open connections from one address, at most; 0: no such bound. */
  readonly connectionsPerAddress: number;
  /** Time from a connection's start, or a request's, to the end of its headers. */
  readonly headersTimeoutMs: number;
}

/** A certificate and its key, in PEM. */
export interface Tls {
  readonly cert: string;
  readonly key: string;
}

/** A listening port. */
export interface Listener {
  readonly address: AddressInfo;
  /** Connections that are open now. */
  connections(): number;
  /** Stops taking connections and tells clients to go; ends what is left after the grace, in milliseconds. */
  drain(graceMs: number): Promise<void>;
}

/** Serves connections that somebody else has accepted. */
export interface Receiver extends Omit<Listener, "address"> {
  take(socket: Socket): void;
}

/**
 * Listens on one port for HTTP/1.1 and HTTP/2, told apart by ALPN with TLS and by HTTP/2's preface without.
 * Only the server that listens keeps watch over slow HTTP/1.1 clients, so it is http.Server (or the TLS
 * server) that listens, and sockets that speak HTTP/2 are handed on.
 */
export async function listen(
  at: { host: string; port: number },
  handler: Handler,
  limits: ListenerLimits,
  tls?: Tls,
  shortcuts: Shortcuts = {},
): Promise<Listener> {
  const { server, ...rest } = build(handler, limits, tls, shortcuts);
  // Node's own backlog of 511 drops most of a herd of clients that come back at once, and they wait long to try again.
  server.listen({ port: at.port, host: at.host, backlog: BACKLOG });
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", reject);
  });
  server.removeAllListeners("error");
  server.on("error", () => {});
  return { ...rest, address: server.address() as AddressInfo };
}

/** Connections that may wait to be accepted. */
export const BACKLOG = 4096;

/** The same for connections that come from elsewhere. */
export function receive(
  handler: Handler,
  limits: ListenerLimits,
  tls: Tls | undefined,
  serving: Serving,
): Receiver {
  const { server, ...rest } = build(handler, limits, tls, serving);
  server.on("error", () => {});
  // Node begins to watch over slow clients when a server listens.
  server.emit("listening");
  const take = (socket: Socket): void => {
    // As that of a socket which http.Server has accepted: a client may end its side before it has its answer.
    if (!tls) socket.allowHalfOpen = true;
    server.emit("connection", socket);
  };
  return { ...rest, take };
}

function build(
  handler: Handler,
  limits: ListenerLimits,
  tls: Tls | undefined,
  { serveStream, serveRequest, hold }: Serving,
): Omit<Listener, "address"> & { readonly server: Server } {
  const sessions = new Set<ServerSession>();
  const serveHttp2 = (socket: Socket): void => {
    const session = serveSession(socket, limits, { handler, serveRequest, serveStream, hold });
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
  };
  const serveNow: Handler = (request, response) => {
    if (serveRequest?.(request, response)) {
      letGoWhenStalled(request, response, limits.idleTimeoutMs);
      return;
    }
    finishRequest(request, response);
    letGoWhenStalled(request, response, limits.idleTimeoutMs);
    handler(request, response);
  };
  const serve: Handler = hold
    ? (request, response) => hold.pass(() => serveNow(request, response))
    : serveNow;
  const server = tls ? secureServer(tls, serve, limits, serveHttp2) : plainServer(serve, limits, serveHttp2);
  const admission = new ConnectionLimits(limits.connections, limits.connectionsPerAddress);
  // Before any other listener sees the socket.
  server.prependListener("connection", (socket: Socket) => {
    // A socket without an error listener ends the process when its peer resets it.
    socket.on("error", () => socket.destroy());
    letGoAfterGoodbye(socket);
    admission.admit(socket);
  });
  return {
    server,
    connections: () => admission.open,
    drain: (graceMs) => drain(server, sessions, admission, graceMs),
  };
}

// A stream that has nothing to say for a while is free to; a client that takes nothing is not.
function letGoWhenStalled({ socket }: Request, response: Response, idleMs: number): void {
  if (response.writableFinished) return;
  // Most answers are written at once, and the system has taken all of it.
  if (response.writableEnded && response.socket && socket.writableLength === 0) return;
  response.setTimeout(idleMs, () => {
    if (socket.writableLength > 0) socket.destroy();
  });
}

// An answer may come before the request's body has ended. What is left of the body must then be read all the same,
// or the connection is stuck: it waits for a client that waits for it.
function finishRequest(request: Request, response: Response): void {
  // Node's own iterator cuts the request off from its socket when it is left early, and no one reads on.
  request[Symbol.asyncIterator] = () => request.iterator({ destroyOnReturn: false });
  response.once("finish", () => {
    if (!request.complete) discardRest(request);
  });
}

function discardRest(body: Request): void {
  // Whoever began to read has left, and would keep the stream from flowing.
  body.removeAllListeners("readable");
  body.removeAllListeners("data");
  body.on("data", () => {});
  body.resume();
}

async function drain(
  server: Server,
  sessions: ReadonlySet<ServerSession>,
  admission: ConnectionLimits,
  graceMs: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // GOAWAY: streams that are open may end, no new one is taken.
  for (const session of sessions) session.close();
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  server.closeIdleConnections();
  const force = setTimeout(() => {
    for (const session of sessions) session.destroy();
    server.closeAllConnections();
    admission.destroyAll();
  }, graceMs);
  await closed;
  // A server that is closed may still have HTTP/2 connections on their way out.
  await admission.drained();
  clearInterval(idle);
  clearTimeout(force);
}
