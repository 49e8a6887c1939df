/** Keeps requests waiting for a moment, in their order. */
export class Hold {
  #waiting: (() => void)[] | undefined;

  /** Serves the request now, or when the hold ends. */
  pass(serve: () => void): void {
    if (this.#waiting) this.#waiting.push(serve);
    else serve();
  }

  begin(): void {
    this.#waiting ??= [];
  }

  end(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const serve of waiting) serve();
  }
}
