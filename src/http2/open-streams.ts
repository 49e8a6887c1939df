import { ConnectionFault } from "./connection-fault.ts";
import { CODE } from "./constants.ts";
import type { ServerStream } from "./server-stream.ts";
import { StreamTable } from "./stream-table.ts";

/** Streams that this end has closed and the client may not know of yet. */
const FORGOTTEN_MAX = 1_000;

/** The streams of one connection: those that are open, and what may still be said of others. */
export class OpenStreams {
  readonly #table = new StreamTable<ServerStream>();
  readonly #forgotten = new Set<number>();
  #lastId = 0;

  /** The largest number that the client has used. */
  get lastId(): number {
    return this.#lastId;
  }

  get size(): number {
    return this.#table.size;
  }

  all(): ServerStream[] {
    return this.#table.all();
  }

  /** Whether a header with a number begins a stream. Throws for a number that no client has. */
  begins(id: number): boolean {
    if (id <= this.#lastId) return false;
    if (id % 2 === 0) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
    this.#lastId = id;
    return true;
  }

  add(stream: ServerStream): void {
    this.#table.add(stream);
  }

  /** Takes a stream out; one whose request goes on is remembered for what is on its way. */
  delete(stream: ServerStream): void {
    this.#table.delete(stream.id);
    if (!stream.incoming.isEnded) this.forget(stream.id);
  }

  /** Bears with what still comes for a stream that this end has ended. */
  forget(id: number): void {
    if (this.#forgotten.size >= FORGOTTEN_MAX) {
      const [oldest] = this.#forgotten;
      this.#forgotten.delete(oldest as number);
    }
    this.#forgotten.add(id);
  }

  /** The stream that a frame speaks of, if it is open. Throws where nobody has begun it. */
  spokenOf(id: number): ServerStream | undefined {
    if (id > this.#lastId || id % 2 === 0) throw new ConnectionFault(CODE.PROTOCOL_ERROR);
    return this.#table.get(id);
  }

  /** The stream that a frame goes on with. Throws also where the client itself has ended it. */
  continued(id: number): ServerStream | undefined {
    const stream = this.spokenOf(id);
    if (!stream && !this.#forgotten.has(id)) throw new ConnectionFault(CODE.STREAM_CLOSED);
    return stream;
  }
}
