import type { IncomingHttpHeaders } from "node:http";
import { Readable, Writable } from "node:stream";
import { CODE } from "../http2/constants.ts";
import type { ServerStream } from "../http2/server-stream.ts";
import type { Handler, Request, Response } from "./listener.ts";

/** Values as Node's responses take them. */
type Value = string | number | readonly string[];

/** Has a Handler answer a stream. */
export function serveExchange(stream: ServerStream, handler: Handler): void {
  const request = new Http2Request(stream);
  const response = new Http2Response(stream);
  if (stream.headers.expect === "100-continue") stream.inform([":status", "100"]);
  handler(request as unknown as Request, response as unknown as Response);
}

/** The part of Node's requests that the hub and Connect use, of a stream. */
class Http2Request extends Readable {
  readonly httpVersion = "2.0";
  readonly httpVersionMajor = 2;
  readonly method: string;
  readonly url: string | undefined;
  readonly authority: string;
  readonly headers: IncomingHttpHeaders;
  readonly socket: { readonly encrypted?: true };
  readonly #stream: ServerStream;
  #isRead = false;
  #isWhole = false;
  /** Bytes that nobody has asked for yet. */
  #waiting = 0;

  constructor(stream: ServerStream) {
    // It is over when its stream is.
    super({ autoDestroy: false });
    const { ":method": method = "", ":path": path, ":authority": authority, ...headers } = stream.headers;
    this.#stream = stream;
    this.method = method;
    this.url = path;
    this.authority = authority ?? headers.host ?? "";
    this.headers = headers;
    this.socket = stream.connection.isEncrypted ? { encrypted: true } : {};
    // As Node's: what has come of it ends, and whoever wants to know asks whether that is all.
    stream.once("close", () => {
      if (!this.#isWhole) this.push(null);
      this.emit("close");
    });
  }

  /** What tells that this is HTTP/2. */
  get stream(): { readonly rstCode: number } {
    return { rstCode: this.#stream.code };
  }

  /** Whether all of it has come. */
  get complete(): boolean {
    return this.#isWhole;
  }

  override _read(): void {
    this.#stream.consumed(this.#waiting);
    this.#waiting = 0;
    if (this.#isRead) return;
    this.#isRead = true;
    this.#stream.read({
      data: (chunk) => {
        if (this.push(chunk)) this.#stream.consumed(chunk.length);
        else this.#waiting += chunk.length;
      },
      end: () => {
        this.#isWhole = true;
        this.push(null);
      },
    });
  }

  // Whoever leaves it early has it go on: its answer is still to come.
  override [Symbol.asyncIterator]() {
    return this.iterator({ destroyOnReturn: false });
  }
}

/** The part of Node's responses that the hub and Connect use, of a stream. */
class Http2Response extends Writable {
  readonly #stream: ServerStream;
  readonly #headers = new Map<string, Value>();
  #trailers: string[] | undefined;
  /** Has what was written last be done, once its stream takes more. */
  #next: (() => void) | undefined;
  statusCode = 200;

  constructor(stream: ServerStream) {
    super({ autoDestroy: false });
    this.#stream = stream;
    stream.on("drain", () => this.#goOn());
    // What ends the answer ends the stream; the answer's own end comes first.
    stream.once("close", () => setImmediate(() => this.destroy()));
  }

  get headersSent(): boolean {
    return this.#stream.headersSent;
  }

  setHeader(name: string, value: Value): this {
    this.#headers.set(name.toLowerCase(), value);
    return this;
  }

  /** Sends the header. */
  writeHead(status: number, headers?: Readonly<Record<string, Value>> | readonly string[]): this {
    if (this.#stream.headersSent) throw new Error("the header of the answer has been sent");
    this.statusCode = status;
    if (Array.isArray(headers)) {
      for (let index = 0; index < headers.length; index += 2)
        this.setHeader(headers[index], headers[index + 1]);
    } else if (headers) for (const [name, value] of Object.entries(headers)) this.setHeader(name, value);
    this.#stream.respond([":status", String(status), ...listOf(this.#headers)]);
    return this;
  }

  addTrailers(trailers: Readonly<Record<string, Value>>): void {
    this.#trailers = listOf(Object.entries(trailers));
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    if (!this.headersSent) this.writeHead(this.statusCode);
    if (this.#stream.closed || this.#hasNoBody()) done();
    else if (this.#stream.write(chunk)) done();
    else this.#next = done;
  }

  override _final(done: () => void): void {
    if (!this.#stream.closed && !this.headersSent) this.writeHead(this.statusCode);
    this.#stream.end(undefined, this.#trailers);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#stream.closed && !this.writableFinished) this.#stream.close(CODE.INTERNAL_ERROR);
    this.#goOn();
    done(error);
  }

  #goOn(): void {
    const next = this.#next;
    this.#next = undefined;
    next?.();
  }

  #hasNoBody(): boolean {
    const { statusCode } = this;
    return this.#stream.headers[":method"] === "HEAD" || statusCode === 204 || statusCode === 304;
  }
}

function listOf(headers: Iterable<readonly [string, Value]>): string[] {
  const list: string[] = [];
  for (const [name, value] of headers) {
    for (const item of Array.isArray(value) ? value : [value]) list.push(name.toLowerCase(), String(item));
  }
  return list;
}
