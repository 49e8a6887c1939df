import * as http from "node:http";
import * as http2 from "node:http2";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Hold } from "./hold.ts";
import type { Handler, ListenerLimits, ServeStream, Tls } from "./listener.ts";
import { dropRestOnceAnswered, LEAVE_MS } from "./session-guard.ts";
import { sniff } from "./sniff.ts";

/** A Handler as HTTP/2 takes it. */
export type Http2Handler = (request: http2.Http2ServerRequest, response: http2.Http2ServerResponse) => void;

/** What listens: it hands sockets that speak HTTP/2 on, or tells them apart by ALPN. */
export type Server = http.Server | http2.Http2SecureServer;

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

/** Serves HTTP/1.1 and, to sockets that begin with its preface, HTTP/2. */
export function plainServer(
  handler: Handler,
  limits: ListenerLimits,
  serveHttp2: (server: http2.Http2Server) => void,
): http.Server {
  const h1 = http.createServer(http1Options(limits), handler);
  const h2 = http2.createServer(http2Options(limits), handler as unknown as Http2Handler);
  h2.on("sessionError", () => {});
  serveHttp2(h2);
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
  flags: number,
  rawHeaders: readonly string[],
) => void;

/**
 * Node makes its compatibility objects in a listener of its own, which then is left what was not taken. `watch` hears of each
 * stream as it comes; one listener for all costs less than several.
 */
export function serveFirst(
  server: http2.Http2Server | http2.Http2SecureServer,
  serveStream: ServeStream | undefined,
  hold?: Hold,
  watch?: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
): void {
  const [makeObjects] = server.listeners("stream") as [StreamListener];
  server.removeListener("stream", makeObjects);
  const serve: StreamListener = (stream, headers, flags, rawHeaders) => {
    if (stream.destroyed || serveStream?.(stream, headers)) return;
    dropRestOnceAnswered(stream);
    makeObjects.call(server, stream, headers, flags, rawHeaders);
  };
  const listener: StreamListener = (stream, headers, flags, rawHeaders) => {
    stream.on("error", ignore);
    watch?.(stream, headers);
    // Who has left while it was kept waiting is not served any more.
    if (hold) hold.pass(() => serve(stream, headers, flags, rawHeaders));
    else serve(stream, headers, flags, rawHeaders);
  };
  server.on("stream", listener);
}

function ignore(): void {}

/** Serves both over TLS. */
export function secureServer(
  tls: Tls,
  handler: Handler,
  limits: ListenerLimits,
  serveHttp2: (server: http2.Http2SecureServer) => void,
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
  server.on("sessionError", () => {});
  serveHttp2(server);
  server.on("tlsClientError", (_error, socket: TLSSocket) => socket.destroy());
  server.on("secureConnection", (socket: TLSSocket) => {
    socket.on("error", () => socket.destroy());
    letGoAfterGoodbye(socket);
  });
  server.on("clientError" as "sessionError", answerBadRequest as unknown as () => void);
  return server;
}

/** The hub's side has ended; a peer that does not end its own would keep its place for ever. */
export function letGoAfterGoodbye(socket: Socket): void {
  socket.once("finish", () => {
    const timer = setTimeout(() => socket.destroy(), LEAVE_MS);
    socket.once("close", () => clearTimeout(timer));
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
