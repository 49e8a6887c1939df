import * as http2 from "node:http2";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { CODE } from "../http2/constants.ts";
import type { ServerStream } from "../http2/server-stream.ts";
import { UNBOUNDED } from "./http2-connection.ts";
import { WINDOW } from "./inner-door.ts";
import type { Request, Response } from "./listener.ts";

/** A connection has numbers for as many calls; whoever nears that needs another one. */
export const CALLS_MAX = 1_000_000_000;
/** In megabytes: more than any hub has. */
const MEMORY = 1_000_000;
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
  stream(stream: ServerStream): void {
    const upstream = this.#request({ ...stream.headers }, stream.endAfterHeaders);
    if (!upstream) {
      stream.close(CODE.INTERNAL_ERROR);
      return;
    }
    let header: string[] | undefined;
    let trailers: http2.IncomingHttpHeaders | undefined;
    // A header goes with the body that came with it, as the other process has sent them: in one piece.
    const respond = (): void => {
      if (header) stream.respond(header);
      header = undefined;
    };
    upstream.on("response", (answer) => {
      header = listOf(answer);
      setImmediate(respond);
    });
    upstream.on("trailers", (all) => {
      trailers = all;
    });
    upstream.on("data", (chunk: Buffer) => {
      respond();
      if (!stream.write(chunk)) upstream.pause();
    });
    stream.on("drain", () => upstream.resume());
    // Trailers have come before the body's end is told. The call may be open still: its client has not ended its side.
    upstream.on("end", () => {
      respond();
      if (stream.headersSent) stream.end(undefined, trailers && listOf(trailers));
    });
    if (!stream.endAfterHeaders) sendBody(stream, upstream);
    stream.once("close", () => {
      if (!upstream.closed) upstream.close(stream.code || CODE.CANCEL);
    });
    upstream.once("close", () => {
      const { rstCode } = upstream;
      respond();
      if (rstCode !== CODE.NO_ERROR) stream.close(rstCode);
      else if (!stream.headersSent) stream.close(CODE.INTERNAL_ERROR);
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
      if (!upstream.closed) upstream.close(CODE.CANCEL);
    });
    upstream.once("close", () => {
      // The pipe has stopped reading; what is left of the request stands before the next one of its connection.
      if (!request.complete && !request.destroyed) request.resume();
      if (upstream.rstCode !== CODE.NO_ERROR || !response.headersSent) response.destroy();
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

// The body of a call, as fast as the other process takes it.
function sendBody(stream: ServerStream, upstream: http2.ClientHttp2Stream): void {
  let waiting = 0;
  upstream.on("drain", () => {
    stream.consumed(waiting);
    waiting = 0;
  });
  stream.read({
    data: (chunk) => {
      if (upstream.write(chunk)) stream.consumed(chunk.length);
      else waiting += chunk.length;
    },
    end: () => upstream.end(),
  });
}

// Names and values by turns, those of HTTP/2 first. The date is added anew.
function listOf(headers: http2.IncomingHttpHeaders): string[] {
  const list: string[] = [];
  for (const [name, value] of Object.entries(headers)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined && name !== "date") list.push(name, String(item));
    }
  }
  return list;
}

function hasLength({ headers }: Request): boolean {
  return headers["content-length"] !== undefined && headers["content-length"] !== "0";
}
