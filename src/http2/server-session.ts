import { EventEmitter } from "node:events";
import type { Duplex } from "node:stream";
import { ConnectionFault } from "./connection-fault.ts";
import { CODE, FRAME, FRAME_HEADER, frameOf, SETTING, WINDOW } from "./constants.ts";
import { FrameReader } from "./frame-reader.ts";
import { CompressionError } from "./hpack-decoder.ts";
import { Inbound } from "./inbound.ts";
import { OpenStreams } from "./open-streams.ts";
import { Outlet } from "./outlet.ts";
import type { RequestHeaders } from "./request-head.ts";
import { type Connection, ServerStream } from "./server-stream.ts";
import type { SessionBounds } from "./session-bounds.ts";

/** Who is told of a connection's streams. */
export interface SessionListener {
  /** A request has come. */
  request(stream: ServerStream): void;
  /** An answer has begun to wait for its client. */
  stalled(): void;
}

/** Time that a client has to end its request once it has its answer, and its connection after a goodbye, in milliseconds. */
const BEAR_MS = 1_000;

/**
 * The server's end of one connection of HTTP/2. RFC 9113. Pushes nothing and knows no priorities. Event: "close", when the
 * connection is over.
 */
export class ServerSession extends EventEmitter implements Connection {
  readonly isEncrypted: boolean;
  readonly #socket: Duplex;
  readonly #bounds: SessionBounds;
  readonly #listener: SessionListener;
  readonly #streams = new OpenStreams();
  readonly #outlet: Outlet;
  readonly #inbound: Inbound;
  readonly #reader: FrameReader<ServerStream>;
  #isClosing = false;
  #isOver = false;
  #onPong: (() => void) | undefined;
  #idleSince = performance.now();

  constructor(socket: Duplex, bounds: SessionBounds, listener: SessionListener) {
    super();
    this.#socket = socket;
    this.#bounds = bounds;
    this.#listener = listener;
    this.isEncrypted = "encrypted" in socket;
    this.#outlet = new Outlet(socket, {
      answered: (stream) => this.#answered(stream),
      stalled: () => listener.stalled(),
    });
    this.#inbound = new Inbound(bounds, this.#streams, this.#outlet, this);
    this.#reader = new FrameReader(this.#inbound, bounds.headerBytes);
    socket.on("data", this.#onData);
    socket.on("error", this.#leave);
    socket.on("end", this.#leave);
    socket.on("close", this.#onClose);
    this.#greet();
  }

  /** How many streams are open. */
  get open(): number {
    return this.#streams.size;
  }

  /** The streams that are open. */
  streams(): ServerStream[] {
    return this.#streams.all();
  }

  /** Whether no more requests are taken. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Whether the connection is over, or about to be: nothing that comes is heard any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** performance.now() since when no stream is open. */
  get idleSince(): number {
    return this.#idleSince;
  }

  /** Whether a request has come. */
  get hasServed(): boolean {
    return this.#streams.lastId > 0;
  }

  /** Asks the client for a sign of life, unless it was asked before and has given none. */
  ping(onAnswer: () => void): void {
    if (this.#onPong || this.#isOver) return;
    this.#onPong = onAnswer;
    this.#outlet.words(FRAME.PING, 0, 0, 0);
  }

  /** Takes no more requests, and ends when those that are open have ended. */
  close(): void {
    if (this.#isClosing || this.#isOver) return;
    this.#isClosing = true;
    this.#outlet.words(FRAME.GOAWAY, 0, this.#streams.lastId, CODE.NO_ERROR);
    this.#endWhenDone();
  }

  /** Ends at once, whatever is on its way. */
  destroy(): void {
    this.#socket.destroy();
  }

  respond(stream: ServerStream, fields: readonly string[]): void {
    this.#outlet.header(stream.id, fields, 0);
  }

  send(stream: ServerStream): void {
    this.#outlet.send(stream);
  }

  consumed(stream: ServerStream, bytes: number): void {
    this.#inbound.consumed(stream, bytes);
  }

  reset(stream: ServerStream, code: number): void {
    this.#outlet.words(FRAME.RST_STREAM, stream.id, code);
    this.over(stream, code);
  }

  request(id: number, headers: RequestHeaders, endsStream: boolean, sendWindow: number): void {
    const windows = { outgoing: sendWindow, incoming: this.#bounds.streamWindow };
    const stream = new ServerStream(id, this, headers, endsStream, windows);
    this.#streams.add(stream);
    this.#listener.request(stream);
  }

  over(stream: ServerStream, code: number): void {
    if (stream.closed) return;
    this.#streams.delete(stream);
    this.#outlet.drop(stream);
    this.#inbound.drop(stream);
    if (this.#streams.size === 0) this.#idleSince = performance.now();
    stream.over(code);
    if (this.#isClosing) this.#endWhenDone();
  }

  goodbye(): void {
    this.close();
  }

  pong(): void {
    const onPong = this.#onPong;
    this.#onPong = undefined;
    onPong?.();
  }

  #greet(): void {
    const settings = [
      [SETTING.MAX_CONCURRENT_STREAMS, this.#bounds.streams],
      [SETTING.INITIAL_WINDOW_SIZE, this.#bounds.streamWindow],
      [SETTING.MAX_HEADER_LIST_SIZE, this.#bounds.headerBytes],
    ] as const;
    const frame = frameOf(FRAME.SETTINGS, 0, 0, settings.length * 6, settings.length * 6);
    for (const [index, [name, value]] of settings.entries()) {
      frame.writeUInt16BE(name, FRAME_HEADER + index * 6);
      frame.writeUInt32BE(value, FRAME_HEADER + index * 6 + 2);
    }
    this.#outlet.write(frame);
    const more = this.#bounds.connectionWindow - WINDOW;
    if (more > 0) this.#outlet.words(FRAME.WINDOW_UPDATE, 0, more);
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#isOver) return;
    try {
      this.#reader.read(chunk);
    } catch (error) {
      if (error instanceof ConnectionFault) this.#fail(error.code);
      else if (error instanceof CompressionError) this.#fail(CODE.COMPRESSION_ERROR);
      else throw error;
    }
  };

  readonly #leave = (): void => {
    this.#socket.destroy();
  };

  readonly #onClose = (): void => {
    this.#stop();
    for (const stream of this.#streams.all()) this.over(stream, CODE.CANCEL);
    this.emit("close");
  };

  // Where the request goes on, its client has this long to end it by itself. What comes is dropped, for else the client
  // would wait for ever to send it.
  #answered(stream: ServerStream): void {
    if (stream.incoming.isEnded) {
      this.over(stream, CODE.NO_ERROR);
      return;
    }
    stream.discard();
    const timer = setTimeout(() => stream.close(CODE.NO_ERROR), BEAR_MS);
    stream.once("close", () => clearTimeout(timer));
  }

  #endWhenDone(): void {
    if (this.#streams.size === 0 && !this.#isOver) this.#end();
  }

  #fail(code: number): void {
    if (this.#isOver) return;
    this.#outlet.words(FRAME.GOAWAY, 0, this.#streams.lastId, code);
    this.#end();
    for (const stream of this.#streams.all()) this.over(stream, code);
  }

  // What comes is read and dropped: a socket that is closed with something unread takes the goodbye back.
  #end(): void {
    this.#stop();
    this.#socket.end();
    const timer = setTimeout(() => this.#socket.destroy(), BEAR_MS);
    this.#socket.once("close", () => clearTimeout(timer));
  }

  #stop(): void {
    this.#isOver = true;
    this.#outlet.stop();
    this.#reader.stop();
  }
}
