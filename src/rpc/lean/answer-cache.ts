import type { Framing } from "./framing.ts";

/** Requests are chosen by clients, so their number and size are bounded. */
const ENTRIES_MAX = 1_000;
const REQUEST_MAX_BYTES = 512;

interface Answer {
  readonly framing: Framing;
  readonly request: Buffer;
  readonly answer: Buffer;
}

/** Answers by the bytes of their request, as long as what they depend on stays the same. */
export class AnswerCache {
  readonly #basis: () => unknown;
  readonly #answers = new Map<string, Answer>();
  // The one that was given last: to compare a request with it takes less than to look it up, and most ask for the same.
  #last: Answer | undefined;
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
      this.#last = undefined;
      this.#current = basis;
    }
    if (request.length > REQUEST_MAX_BYTES) return undefined;
    const last = this.#last;
    if (last?.framing === framing && last.request.equals(request)) return last.answer;
    const known = this.#answers.get(keyOf(framing, request));
    if (known) this.#last = known;
    return known?.answer;
  }

  /** Remembers an answer that was made while `get` found none. */
  set(framing: Framing, request: Buffer, answer: Buffer): void {
    // The handler may have run into a change: then it is not known which of the two it answered from.
    if (request.length > REQUEST_MAX_BYTES || this.#basis() !== this.#current) return;
    if (this.#answers.size >= ENTRIES_MAX) this.#answers.clear();
    // A copy, as a request is a part of what its connection has received, and holds on to all of it.
    this.#answers.set(keyOf(framing, request), { framing, request: Buffer.from(request), answer });
  }
}

function keyOf(framing: Framing, request: Buffer): string {
  return framing.contentType + request.toString("latin1");
}
