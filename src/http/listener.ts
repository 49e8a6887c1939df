import * as http from "node:http";
import * as http2 from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { ConnectionLimits } from "./connection-limits.ts";
import { discardRest, guardSession, LEAVE_MS, type SessionLimits } from "./session-guard.ts";
import { sniff } from "./sniff.ts";

/** A request over HTTP/1.1 or HTTP/2, whose compatibility objects are used where the two agree. */
export type Request = http.IncomingMessage & Partial<Pick<http2.Http2ServerRequest, "authority">>;
/** Its response. */
export type Response = http.ServerResponse;
/** Answers requests of both kinds. */
export type Handler = (request: Request, response: Response) => void;

/** Takes a request over HTTP/2 as it comes, or leaves it to the Handler: then it has read nothing of it. */
export type ServeStream = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => boolean;

/** Ways to answer ordinary requests with less work; each says whether it has taken the request. */
export interface Shortcuts {
  readonly serveStream?: ServeStream;
  readonly serveRequest?: (request: Request, response: Response) => boolean;
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

type Http2Handler = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void;

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
  { serveStream, serveRequest }: Shortcuts = {},
): Promise<Listener> {
  const sessions = new Set<http2.ServerHttp2Session>();
  const onSession = (session: http2.ServerHttp2Session) => {
    sessions.add(session);
    session.once("close", () => sessions.delete(session));
    guardSession(session, limits);
  };
  const serve: Handler = (request, response) => {
    if (serveRequest?.(request, response)) {
      if (request.httpVersionMajor === 1) letGoWhenStalled(request, response, limits.idleTimeoutMs);
      return;
    }
    // HTTP/2 has the guard of its session for this.
    if (request.httpVersionMajor === 1) {
      finishRequest(request, response);
      letGoWhenStalled(request, response, limits.idleTimeoutMs);
    }
    handler(request, response);
  };
  const server = tls
    ? secureServer(tls, serve, limits, onSession, serveStream)
    : plainServer(serve, limits, onSession, serveStream);
  const admission = new ConnectionLimits(limits.connections, limits.connectionsPerAddress);
  // Before any other listener sees the socket.
  server.prependListener("connection", (socket: Socket) => {
    // A socket without an error listener ends the process when its peer resets it.
    socket.on("error", () => socket.destroy());
    letGoAfterGoodbye(socket);
    admission.admit(socket);
  });
  // Node's own backlog of 511 drops most of a herd of clients that come back at once, and they wait long to try again.
  server.listen({ port: at.port, host: at.host, backlog: 4096 });
  await new Promise<void>((resolve, reject) => {
    server.once("listening", resolve);
    server.once("error", reject);
  });
  server.removeAllListeners("error");
  server.on("error", () => {});
  return {
    address: server.address() as AddressInfo,
    connections: () => admission.open,
    drain: (graceMs) => drain(server, sessions, admission, graceMs),
  };
}

type Server = http.Server | http2.Http2SecureServer;

function http1Options(limits: ListenerLimits): http.ServerOptions {
  return {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.headersTimeoutMs + limits.bodyTimeoutMs,
    connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs),
    keepAliveTimeout: 65_000,
    maxHeaderSize: 16_384,
    // A request without Host is answered with 400 by the handler, which sees HTTP/1.0 as well.
    requireHostHeader: false,
    noDelay: true,
  };
}

function http2Options(limits: ListenerLimits): http2.ServerOptions {
  return {
    settings: { maxConcurrentStreams: limits.streamsPerConnection, maxHeaderListSize: 16_384 },
    maxHeaderListPairs: 64,
    maxSessionMemory: 10,
    maxSessionInvalidFrames: 50,
    maxSessionRejectedStreams: 50,
    maxSettings: 32,
    maxOutstandingPings: 5,
    streamResetBurst: 200,
    streamResetRate: 20,
    unknownProtocolTimeout: 5_000,
  };
}

function plainServer(
  handler: Handler,
  limits: ListenerLimits,
  onSession: (session: http2.ServerHttp2Session) => void,
  serveStream: ServeStream | undefined,
): http.Server {
  const h1 = http.createServer(http1Options(limits), handler);
  const h2 = http2.createServer(http2Options(limits), handler as unknown as Http2Handler);
  h2.on("session", onSession);
  h2.on("sessionError", () => {});
  if (serveStream) serveFirst(h2, serveStream);
  const [serveHttp1] = h1.listeners("connection") as [(socket: Socket) => void];
  h1.removeListener("connection", serveHttp1);
  h1.on("connection", (socket: Socket) => {
    if (socket.destroyed) return;
    sniff(socket, limits.headersTimeoutMs, (isHttp2) => {
      if (isHttp2) h2.emit("connection", socket);
      else serveHttp1.call(h1, socket);
    });
  });
  h1.on("clientError", answerBadRequest);
  return h1;
}

type StreamListener = (
  stream: http2.ServerHttp2Stream,
  headers: http2.IncomingHttpHeaders,
  ...rest: unknown[]
) => void;

// Node makes its compatibility objects in a listener of its own, which then is left what was not taken.
function serveFirst(server: http2.Http2Server | http2.Http2SecureServer, serveStream: ServeStream): void {
  const [makeObjects] = server.listeners("stream") as [StreamListener];
  server.removeListener("stream", makeObjects);
  const serve: StreamListener = (stream, headers, ...rest) => {
    if (!serveStream(stream, headers)) makeObjects.call(server, stream, headers, ...rest);
  };
  server.on("stream", serve);
}

function secureServer(
  tls: Tls,
  handler: Handler,
  limits: ListenerLimits,
  onSession: (session: http2.ServerHttp2Session) => void,
  serveStream: ServeStream | undefined,
): http2.Http2SecureServer {
  const server = http2.createSecureServer(
    {
      ...http1Options(limits),
      ...http2Options(limits),
      ...tls,
      allowHTTP1: true,
      minVersion: "TLSv1.2",
      handshakeTimeout: limits.headersTimeoutMs,
    },
    handler as unknown as Http2Handler,
  );
  server.on("session", onSession);
  server.on("sessionError", () => {});
  if (serveStream) serveFirst(server, serveStream);
  server.on("tlsClientError", (_error, socket: TLSSocket) => socket.destroy());
  server.on("secureConnection", (socket: TLSSocket) => {
    socket.on("error", () => socket.destroy());
    letGoAfterGoodbye(socket);
  });
  server.on("clientError" as "sessionError", answerBadRequest as unknown as () => void);
  return server;
}

// The hub's side has ended; a peer that does not end its own would keep its place for ever.
function letGoAfterGoodbye(socket: Socket): void {
  socket.once("finish", () => {
    const timer = setTimeout(() => socket.destroy(), LEAVE_MS);
    socket.once("close", () => clearTimeout(timer));
  });
}

// A stream that has nothing to say for a while is free to; a client that takes nothing is not.
function letGoWhenStalled({ socket }: Request, response: Response, idleMs: number): void {
  if (response.writableFinished) return;
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

function answerBadRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const status = STATUS_OF_FAULT[error.code ?? ""] ?? "400 Bad Request";
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
}

const STATUS_OF_FAULT: Record<string, string> = {
  HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
  ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
};

async function drain(
  server: Server,
  sessions: ReadonlySet<http2.ServerHttp2Session>,
  admission: ConnectionLimits,
  graceMs: number,
): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  // GOAWAY: streams that are open may end, no new one is taken.
  for (const session of sessions) session.close();
  const idle = setInterval(() => "closeIdleConnections" in server && server.closeIdleConnections(), 50);
  if ("closeIdleConnections" in server) server.closeIdleConnections();
  const force = setTimeout(() => {
    for (const session of sessions) session.destroy();
    if ("closeAllConnections" in server) server.closeAllConnections();
    admission.destroyAll();
  }, graceMs);
  await closed;
  // A server that is closed may still have HTTP/2 connections on their way out.
  await admission.drained();
  clearInterval(idle);
  clearTimeout(force);
}
