import type { Framing } from "./framing.ts";

/** Requests are chosen by clients, so their number and size are bounded. */
const ENTRIES_MAX = 1_000;
const REQUEST_MAX_BYTES = 512;

/** Answers by the bytes of their request, as long as what they depend on stays the same. */
export class AnswerCache {
  readonly #basis: () => unknown;
  readonly #answers = new Map<string, Buffer>();
  #current: unknown;

  /** With another value of `basis`, every answer is forgotten. */
  constructor(basis: () => unknown) {
    this.#basis = basis;
  }

  /** The answer to a request, as it goes onto the wire. */
  get(framing: Framing, request: Buffer): Buffer | undefined {
    const basis = this.#basis();
    if (basis !== this.#current) {
      this.#answers.clear();
      this.#current = basis;
    }
    return request.length > REQUEST_MAX_BYTES ? undefined : this.#answers.get(keyOf(framing, request));
  }

  /** Remembers an answer that was made while `get` found none. */
  set(framing: Framing, request: Buffer, answer: Buffer): void {
    // The handler may have run into a change: then it is not known which of the two it answered from.
    if (request.length > REQUEST_MAX_BYTES || this.#basis() !== this.#current) return;
    if (this.#answers.size >= ENTRIES_MAX) this.#answers.clear();
    this.#answers.set(keyOf(framing, request), answer);
  }
}

function keyOf(framing: Framing, request: Buffer): string {
  return framing.contentType + request.toString("latin1");
}
