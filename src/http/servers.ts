import * as http from "node:http";
import * as https from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import type { Handler, ListenerLimits, Tls } from "./listener.ts";
import { LEAVE_MS } from "./session-guard.ts";
import { sniff } from "./sniff.ts";

/** What listens: it speaks HTTP/1.1, and hands sockets that speak HTTP/2 on. */
export type Server = http.Server | https.Server;

/** Serves a socket that speaks HTTP/2. */
export type ServeHttp2 = (socket: Socket) => void;

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

/** Serves HTTP/1.1 and, to sockets that begin with its preface, HTTP/2. */
export function plainServer(handler: Handler, limits: ListenerLimits, serveHttp2: ServeHttp2): http.Server {
  const server = http.createServer(http1Options(limits), handler);
  const serveHttp1 = takeListener(server, "connection");
  server.on("connection", (socket: Socket) => {
    if (socket.destroyed) return;
    sniff(socket, limits.headersTimeoutMs, (isHttp2) => {
      if (isHttp2) serveHttp2(socket);
      else serveHttp1.call(server, socket);
    });
  });
  server.on("clientError", answerBadRequest);
  return server;
}

/** Serves both over TLS, as the two agree by ALPN. */
export function secureServer(
  tls: Tls,
  handler: Handler,
  limits: ListenerLimits,
  serveHttp2: ServeHttp2,
): https.Server {
  const server = https.createServer(
    {
      ...http1Options(limits),
      ...tls,
      ALPNProtocols: ["h2", "http/1.1"],
      minVersion: "TLSv1.2",
      handshakeTimeout: limits.headersTimeoutMs,
    },
    handler,
  );
  const serveHttp1 = takeListener(server, "secureConnection");
  server.on("tlsClientError", (_error, socket: TLSSocket) => socket.destroy());
  server.on("secureConnection", (socket: TLSSocket) => {
    socket.on("error", () => socket.destroy());
    letGoAfterGoodbye(socket);
    if (socket.alpnProtocol === "h2") {
      socket.setNoDelay(true);
      serveHttp2(socket);
    } else serveHttp1.call(server, socket);
  });
  server.on("clientError", answerBadRequest);
  return server;
}

// Node's own listener, by which every socket would be one that speaks HTTP/1.1.
function takeListener(server: Server, event: string): (socket: Socket) => void {
  const [listener] = server.listeners(event) as [(socket: Socket) => void];
  server.removeListener(event, listener);
  return listener;
}

/** The hub's side has ended; a peer that does not end its own would keep its place for ever. */
export function letGoAfterGoodbye(socket: Socket): void {
  socket.once("finish", () => {
    const timer = setTimeout(() => socket.destroy(), LEAVE_MS);
    socket.once("close", () => clearTimeout(timer));
  });
}

function answerBadRequest(error: NodeJS.ErrnoException, socket: Duplex): void {
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
