import { EventEmitter } from "node:events";
import { CODE } from "./constants.ts";
import type { RequestHeaders } from "./request-head.ts";

/** What a stream asks of its connection. */
export interface Connection {
  /** Whether its bytes are encrypted on their way. */
  readonly isEncrypted: boolean;
  /** Sends the header of an answer. */
  respond(stream: ServerStream, fields: readonly string[]): void;
  /** Sends of a stream's queue what may go now. */
  send(stream: ServerStream): void;
  /** Says that bytes of a body need no more room. */
  consumed(stream: ServerStream, bytes: number): void;
  reset(stream: ServerStream, code: number): void;
}

/** Takes the body of a request as it comes, and says of what it has taken that it needs no more room (`consumed`). */
export interface BodySink {
  data(chunk: Buffer): void;
  end(): void;
}

/** What is on its way out of a stream, for its connection to send. */
export interface Outgoing {
  /** Bytes that may go until the peer allows more. */
  window: number;
  readonly queue: Buffer[];
  /** Bytes in the queue. */
  bytes: number;
  /** Whether the answer ends behind the queue. */
  isEnding: boolean;
  /** Whether its end has gone. */
  isEnded: boolean;
  trailers: readonly string[] | undefined;
  /** performance.now() since when what waits has not moved; 0: nothing waits. */
  stalledSince: number;
}

/** What comes into a stream. */
export interface Incoming {
  /** Bytes that may come until this end allows more. */
  window: number;
  /** Bytes that take room still. */
  held: number;
  /** Bytes that need no more room, and were not told of yet. */
  consumed: number;
  /** Bytes that are still to come, where the request says how many. */
  expected: number | undefined;
  isEnded: boolean;
}

/** A write says so when this many bytes wait. */
const HIGH_WATER = 16_384;

/**
 * One request over HTTP/2 and its answer. Events: "drain", when the answer may go on after a write has said that it should
 * wait, and "close", when the stream is over, however that came.
 */
export class ServerStream extends EventEmitter {
  readonly id: number;
  readonly connection: Connection;
  /** Shared by all requests of a connection that say the same, so nobody may change it. */
  readonly headers: RequestHeaders;
  /** Whether the request has no body. */
  readonly endAfterHeaders: boolean;
  /** performance.now() when it came. */
  readonly began = performance.now();
  /** The connection's. */
  readonly outgoing: Outgoing;
  /** The connection's. */
  readonly incoming: Incoming;
  /** Whether the header of an answer has gone. */
  headersSent = false;
  /** Whether it is over. */
  closed = false;
  /** Why, as HTTP/2 has it. */
  code: number = CODE.NO_ERROR;
  #sink: BodySink | undefined;
  #early: Buffer[] | undefined;
  #needsDrain = false;

  constructor(
    id: number,
    connection: Connection,
    headers: RequestHeaders,
    endAfterHeaders: boolean,
    windows: { readonly outgoing: number; readonly incoming: number },
  ) {
    super();
    this.id = id;
    this.connection = connection;
    this.headers = headers;
    this.endAfterHeaders = endAfterHeaders;
    const length = headers["content-length"];
    this.outgoing = {
      window: windows.outgoing,
      queue: [],
      bytes: 0,
      isEnding: false,
      isEnded: false,
      trailers: undefined,
      stalledSince: 0,
    };
    this.incoming = {
      window: windows.incoming,
      held: 0,
      consumed: 0,
      expected: length === undefined ? undefined : Number(length),
      isEnded: endAfterHeaders,
    };
  }

  /** Reads the body from its beginning. */
  read(sink: BodySink): void {
    this.#sink = sink;
    const early = this.#early;
    this.#early = undefined;
    // Whoever drops the rest in the middle hears of nothing more.
    for (const chunk of early ?? []) if (this.#sink === sink) sink.data(chunk);
    if (this.incoming.isEnded && this.#sink === sink) sink.end();
  }

  /** Reads on, and drops what comes. */
  discard(): void {
    if (this.#sink === DROPPED || this.closed) return;
    this.#early = undefined;
    this.#sink = DROPPED;
    this.consumed(this.incoming.held);
  }

  /** Of a body's bytes so many need no more room, so that as many may come. */
  consumed(bytes: number): void {
    this.connection.consumed(this, bytes);
  }

  /** Sends a header, once: names and values by turns, ":status" first. The date is added. */
  respond(fields: string[]): void {
    if (this.closed || this.headersSent) return;
    this.headersSent = true;
    fields.push("date", dateNow());
    this.connection.respond(this, fields);
  }

  /** Sends a header before that of the answer, such as one with status 100. */
  inform(fields: readonly string[]): void {
    if (!this.closed && !this.headersSent) this.connection.respond(this, fields);
  }

  /** Sends a piece of the answer's body, which nobody may change any more. Says whether the next should not wait for "drain". */
  write(chunk: Uint8Array): boolean {
    const { outgoing } = this;
    if (this.closed || outgoing.isEnding) return true;
    if (chunk.length > 0) this.#enqueue(chunk);
    this.connection.send(this);
    this.#needsDrain = outgoing.bytes >= HIGH_WATER;
    return !this.#needsDrain;
  }

  /** Ends the answer: with a last piece, and with trailers, as names and values by turns. */
  end(chunk?: Uint8Array, trailers?: readonly string[]): void {
    const { outgoing } = this;
    if (this.closed || outgoing.isEnding) return;
    if (chunk && chunk.length > 0) this.#enqueue(chunk);
    outgoing.isEnding = true;
    outgoing.trailers = trailers;
    this.connection.send(this);
  }

  /** Ends both ways at once, whatever is on its way. */
  close(code: number): void {
    if (!this.closed) this.connection.reset(this, code);
  }

  /** Takes a piece of the body, for the connection. */
  receive(chunk: Buffer): void {
    if (this.#sink === DROPPED) this.consumed(chunk.length);
    else if (this.#sink) this.#sink.data(chunk);
    else {
      this.#early ??= [];
      this.#early.push(chunk);
    }
  }

  /** Takes the end of the body, for the connection. */
  receiveEnd(): void {
    this.incoming.isEnded = true;
    this.#sink?.end();
  }

  /** Says that what has waited went, for the connection. */
  drained(): void {
    if (!this.#needsDrain) return;
    this.#needsDrain = false;
    this.emit("drain");
  }

  /** Takes the end of the stream, for the connection. */
  over(code: number): void {
    if (this.closed) return;
    this.closed = true;
    this.code = code;
    this.#sink = undefined;
    this.#early = undefined;
    this.outgoing.queue.length = 0;
    this.outgoing.bytes = 0;
    this.emit("close");
  }

  #enqueue(chunk: Uint8Array): void {
    const bytes = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.outgoing.queue.push(bytes);
    this.outgoing.bytes += bytes.length;
  }
}

let date = "";
let dateUntil = 0;

// RFC 9110, 6.6.1: an answer says when it was made, to the second.
function dateNow(): string {
  const now = Date.now();
  if (now >= dateUntil || now < dateUntil - 1_000) {
    dateUntil = now - (now % 1_000) + 1_000;
    date = new Date(now).toUTCString();
  }
  return date;
}

const DROPPED: BodySink = { data: () => {}, end: () => {} };
