import type { Duplex } from "node:stream";
import { ConnectionFault } from "./connection-fault.ts";
import { CODE, FLAG, FRAME, FRAME_MAX, frameOf, frameOfWords, MAX_31, WINDOW } from "./constants.ts";
import { HpackEncoder } from "./hpack-encoder.ts";
import type { ServerStream } from "./server-stream.ts";

/** Who is told of what goes out. */
export interface OutletListener {
  /** The end of a stream's answer has gone. */
  answered(stream: ServerStream): void;
  /** An answer has begun to wait for its client. */
  stalled(): void;
}

/** Bytes that may wait in a socket before streams keep theirs. */
const SOCKET_BYTES = 262_144;

/** What goes out of one connection: frames in their order, and of bodies as much as the client allows. */
export class Outlet {
  readonly #socket: Duplex;
  readonly #listener: OutletListener;
  readonly #encoder = new HpackEncoder();
  /** Streams that have something to send, for which the connection has no room. */
  readonly #blocked = new Set<ServerStream>();
  #out: Buffer[] = [];
  #bytes = 0;
  #willFlush = false;
  #isFull = false;
  #isStopped = false;
  /** Bytes of bodies that may go until the client allows more. */
  #window = WINDOW;
  #stalled = 0;

  constructor(socket: Duplex, listener: OutletListener) {
    this.#socket = socket;
    this.#listener = listener;
    socket.on("drain", () => {
      this.#isFull = false;
      this.#sendBlocked();
    });
  }

  /** Bytes that the client has not taken. */
  get waiting(): number {
    return this.#bytes + this.#socket.writableLength;
  }

  /** Streams whose answer waits for room. */
  get stalled(): number {
    return this.#stalled;
  }

  /** Sends what waits, and nothing more. */
  stop(): void {
    this.#flush();
    this.#isStopped = true;
  }

  /** The client keeps a table of so many bytes. */
  resizeTable(bytes: number): void {
    this.#encoder.resize(bytes);
  }

  /** Sends a frame whose payload are numbers of 32 bits. */
  words(type: number, stream: number, ...words: number[]): void {
    this.write(frameOfWords(type, 0, stream, ...words));
  }

  /** Sends a frame, or a piece of one, which nobody may change any more. */
  write(bytes: Buffer): void {
    if (this.#isStopped) return;
    this.#out.push(bytes);
    this.#bytes += bytes.length;
    if (this.#willFlush) return;
    this.#willFlush = true;
    // After all promises that are settled now, whose answers then go together.
    queueMicrotask(this.#soon);
  }

  /** Sends a header, or trailers: names and values by turns. */
  header(id: number, fields: readonly string[], flags: number): void {
    if (this.#isStopped) return;
    const block = this.#encoder.encode(fields);
    let at = 0;
    do {
      const part = block.subarray(at, at + FRAME_MAX);
      const type = at === 0 ? FRAME.HEADERS : FRAME.CONTINUATION;
      const first = at === 0 ? flags : 0;
      at += part.length;
      this.write(frameOf(type, at === block.length ? first | FLAG.END_HEADERS : first, id, part.length));
      this.write(part);
    } while (at < block.length);
  }

  /** Sends of a stream's queue what may go now. */
  send(stream: ServerStream): void {
    const { outgoing } = stream;
    const { queue } = outgoing;
    let hasMoved = false;
    while (queue.length > 0) {
      const chunk = queue[0] as Buffer;
      const isRoom = this.#isRoom();
      if (!isRoom || outgoing.window <= 0) {
        this.#stall(stream, isRoom, hasMoved);
        return;
      }
      const length = Math.min(chunk.length, outgoing.window, this.#window, FRAME_MAX);
      const isWhole = length === chunk.length;
      const isLast = isWhole && queue.length === 1 && outgoing.isEnding && !outgoing.trailers;
      this.write(frameOf(FRAME.DATA, isLast ? FLAG.END_STREAM : 0, stream.id, length));
      this.write(isWhole ? chunk : chunk.subarray(0, length));
      if (isWhole) queue.shift();
      else queue[0] = chunk.subarray(length);
      outgoing.bytes -= length;
      outgoing.window -= length;
      this.#window -= length;
      outgoing.isEnded = isLast;
      hasMoved = true;
    }
    if (outgoing.stalledSince !== 0) this.#unstall(stream);
    if (outgoing.isEnding) this.#end(stream);
    else stream.drained();
  }

  /** The client allows more of a stream, or less. */
  widen(stream: ServerStream, more: number): void {
    const { outgoing } = stream;
    outgoing.window += more;
    if (outgoing.window > MAX_31) throw new ConnectionFault(CODE.FLOW_CONTROL_ERROR);
    if (outgoing.stalledSince !== 0 && outgoing.window > 0) this.send(stream);
  }

  /** The client allows more of all. */
  widenAll(more: number): void {
    this.#window += more;
    if (this.#window > MAX_31) throw new ConnectionFault(CODE.FLOW_CONTROL_ERROR);
    this.#sendBlocked();
  }

  /** A stream is over, and has nothing more to send. */
  drop(stream: ServerStream): void {
    if (stream.outgoing.stalledSince !== 0) this.#unstall(stream);
  }

  #isRoom(): boolean {
    return this.#window > 0 && !this.#isFull && this.#bytes < SOCKET_BYTES;
  }

  #end(stream: ServerStream): void {
    const { outgoing } = stream;
    if (!outgoing.isEnded) {
      if (outgoing.trailers) this.header(stream.id, outgoing.trailers, FLAG.END_STREAM);
      else this.write(frameOf(FRAME.DATA, FLAG.END_STREAM, stream.id, 0));
      outgoing.isEnded = true;
    }
    this.#listener.answered(stream);
  }

  #stall(stream: ServerStream, isRoom: boolean, hasMoved: boolean): void {
    const { outgoing } = stream;
    if (outgoing.stalledSince === 0) this.#stalled += 1;
    if (outgoing.stalledSince === 0 || hasMoved) outgoing.stalledSince = performance.now();
    if (!isRoom) this.#blocked.add(stream);
    else this.#blocked.delete(stream);
    this.#listener.stalled();
  }

  #unstall(stream: ServerStream): void {
    stream.outgoing.stalledSince = 0;
    this.#stalled -= 1;
    this.#blocked.delete(stream);
  }

  // In their order; what one cannot send now puts it behind the others.
  #sendBlocked(): void {
    for (const stream of [...this.#blocked]) {
      if (!this.#isRoom()) return;
      this.#blocked.delete(stream);
      if (!stream.closed) this.send(stream);
    }
  }

  readonly #soon = (): void => {
    process.nextTick(this.#flush);
  };

  readonly #flush = (): void => {
    this.#willFlush = false;
    const out = this.#out;
    const bytes = this.#bytes;
    if (bytes === 0 || this.#socket.destroyed) return;
    this.#out = [];
    this.#bytes = 0;
    this.#socket.write(out.length === 1 ? (out[0] as Buffer) : Buffer.concat(out, bytes));
    if (this.#socket.writableLength > SOCKET_BYTES) this.#isFull = true;
    else if (this.#blocked.size > 0) this.#sendBlocked();
  };
}
