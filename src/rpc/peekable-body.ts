import { createContextKey } from "@connectrpc/connect";

/** The body of the call, which can be looked at before Connect reads it. */
export const bodyKey = createContextKey<PeekableBody | undefined>(undefined, { description: "body" });

/** A body that yields what was peeked at again. */
export class PeekableBody implements AsyncIterable<Uint8Array> {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #peeked: Uint8Array[] = [];

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The whole body; undefined as soon as it is longer than the bound. */
  async peek(maxBytes: number): Promise<Buffer | undefined> {
    let length = 0;
    for (let next = await this.#source.next(); !next.done; next = await this.#source.next()) {
      this.#peeked.push(next.value);
      length += next.value.byteLength;
      if (length > maxBytes) return undefined;
    }
    return Buffer.concat(this.#peeked);
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    if (this.#peeked.length > 0) yield Buffer.concat(this.#peeked.splice(0));
    yield* { [Symbol.asyncIterator]: () => this.#source };
  }
}
