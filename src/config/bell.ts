/** Wakes one watcher: when there is news, when its time is up, or when its client is gone. */
export class Bell {
  readonly #wakes: Set<() => void>;
  readonly #signal: AbortSignal;
  readonly #ring = (): void => this.#onNews();
  #news = false;
  #timer: NodeJS.Timeout | undefined;
  #resume: (() => void) | undefined;

  /** `wakes` is rung by whoever has news; the bell is in it until it is closed or its client gone. */
  constructor(wakes: Set<() => void>, signal: AbortSignal) {
    this.#wakes = wakes;
    this.#signal = signal;
    wakes.add(this.#ring);
    signal.addEventListener("abort", this.#ring, { once: true });
  }

  /** Whether the client is gone. */
  get aborted(): boolean {
    return this.#signal.aborted;
  }

  /** Waits for news, for the client to go, or for the time, in milliseconds. News of before the wait end it at once. */
  async wait(ms: number): Promise<void> {
    if (!this.#news && !this.#signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
        this.#timer = setTimeout(resolve, Math.max(0, ms));
      });
      clearTimeout(this.#timer);
    }
    this.#resume = undefined;
    this.#news = false;
  }

  /** Takes the bell out of `wakes`. */
  close(): void {
    this.#wakes.delete(this.#ring);
    this.#signal.removeEventListener("abort", this.#ring);
  }

  #onNews(): void {
    this.#news = true;
    this.#resume?.();
    if (this.#signal.aborted) this.#wakes.delete(this.#ring);
  }
}
