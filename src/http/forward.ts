import * as http2 from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { MEMORY, UNBOUNDED, WINDOW } from "./inner-door.ts";
import type { Request, Response } from "./listener.ts";
import { dropRestOnceAnswered } from "./session-guard.ts";

const { NGHTTP2_CANCEL, NGHTTP2_FLAG_END_STREAM, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = http2.constants;
/** A connection has numbers for as many calls; whoever nears that needs another one. */
export const CALLS_MAX = 1_000_000_000;
/** Requests of one connection of HTTP/1.1 that may wait for the one before, before no more are read. */
const IN_A_ROW = 32;

/** Headers that speak of one connection of HTTP/1.1, and not of the call. */
const OF_CONNECTION = new Set([
  ...["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings"],
  ...["host", "expect", "te"],
]);

/** Has calls answered by another process of the same hub. */
export class Forward {
  readonly #session: http2.ClientHttp2Session;
  /** Resolves when the connection has ended, and nothing can be forwarded any more. */
  readonly ended: Promise<void>;
  /** Requests that came before the one before them was answered, by their connection. */
  readonly #inARow = new WeakMap<Socket, (() => void)[]>();
  #calls = 0;

  /** `connection` leads to an InnerDoor. */
  constructor(connection: Duplex) {
    this.#session = http2.connect("http://hub", {
      createConnection: () => connection,
      settings: { enablePush: false, initialWindowSize: WINDOW, maxHeaderListSize: 65_536 },
      maxSessionMemory: MEMORY,
      peerMaxConcurrentStreams: UNBOUNDED,
      maxHeaderListPairs: 256,
    });
    this.#session.on("error", () => {});
    this.ended = new Promise((resolve) => this.#session.once("close", () => resolve()));
  }

  /** Calls that have been forwarded. */
  get calls(): number {
    return this.#calls;
  }

  /** Forwards a call over HTTP/2 whole: headers, body, trailers, and the code that it is reset with. */
  stream(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
    dropRestOnceAnswered(stream);
    const upstream = this.#request({ ...headers }, stream.endAfterHeaders);
    if (!upstream) {
      stream.close(NGHTTP2_INTERNAL_ERROR);
      return;
    }
    let trailers: http2.IncomingHttpHeaders | undefined;
    upstream.on("response", (answer, flags) => {
      if (stream.closed || stream.destroyed) return;
      const endStream = (flags & NGHTTP2_FLAG_END_STREAM) !== 0;
      stream.respond(answer, { endStream, waitForTrailers: !endStream });
    });
    upstream.on("trailers", (all) => {
      trailers = all;
    });
    // Trailers have come before the body's end is told. The call may be open still: its client has not ended its side.
    stream.on("wantTrailers", () => sendTrailers(stream, trailers));
    if (!stream.endAfterHeaders) stream.pipe(upstream);
    upstream.pipe(stream);
    stream.once("close", () => {
      if (!upstream.closed) upstream.close(stream.rstCode || NGHTTP2_CANCEL);
    });
    upstream.once("close", () => {
      const { rstCode } = upstream;
      if (!stream.closed && rstCode !== NGHTTP2_NO_ERROR) stream.close(rstCode);
      else if (!stream.closed && !stream.headersSent) stream.close(NGHTTP2_INTERNAL_ERROR);
    });
  }

  /** Forwards a call over HTTP/1.1, after that before it on the same connection has been answered. */
  request(request: Request, response: Response): void {
    const { socket } = request;
    const row = this.#inARow.get(socket);
    if (row) {
      row.push(() => this.#forward(request, response));
      if (row.length === IN_A_ROW) socket.pause();
      return;
    }
    this.#inARow.set(socket, []);
    this.#forward(request, response);
  }

  #next(socket: Socket): void {
    const row = this.#inARow.get(socket);
    const next = row?.shift();
    if (!next) this.#inARow.delete(socket);
    else if (row?.length === IN_A_ROW - 1 && !socket.destroyed) socket.resume();
    next?.();
  }

  #forward(request: Request, response: Response): void {
    response.once("close", () => this.#next(request.socket));
    const hasBody = request.headers["transfer-encoding"] !== undefined || hasLength(request);
    const upstream = this.#request(
      {
        ...Object.fromEntries(Object.entries(request.headers).filter(([name]) => !OF_CONNECTION.has(name))),
        ":method": request.method ?? "GET",
        ":path": request.url ?? "/",
        ":scheme": "http",
        ":authority": request.headers.host ?? "",
      },
      !hasBody,
    );
    if (!upstream) {
      response.destroy();
      return;
    }
    upstream.on("response", ({ ":status": status = 500, ...headers }) => {
      if (!response.destroyed) response.writeHead(status, headers);
    });
    upstream.on("trailers", (trailers) => response.addTrailers(trailers as Record<string, string>));
    if (hasBody) request.pipe(upstream);
    upstream.pipe(response);
    response.once("close", () => {
      if (!upstream.closed) upstream.close(NGHTTP2_CANCEL);
    });
    upstream.once("close", () => {
      // The pipe has stopped reading; what is left of the request stands before the next one of its connection.
      if (!request.complete && !request.destroyed) request.resume();
      if (upstream.rstCode !== NGHTTP2_NO_ERROR || !response.headersSent) response.destroy();
    });
  }

  #request(headers: http2.OutgoingHttpHeaders, endStream: boolean): http2.ClientHttp2Stream | undefined {
    if (this.#session.closed || this.#session.destroyed) return undefined;
    this.#calls += 1;
    const upstream = this.#session.request(headers, { endStream });
    upstream.on("error", () => {});
    return upstream;
  }
}

function sendTrailers(
  stream: http2.ServerHttp2Stream,
  trailers: http2.IncomingHttpHeaders | undefined,
): void {
  if (!stream.closed && !stream.destroyed) stream.sendTrailers(trailers ?? {});
}

function hasLength({ headers }: Request): boolean {
  return headers["content-length"] !== undefined && headers["content-length"] !== "0";
}
