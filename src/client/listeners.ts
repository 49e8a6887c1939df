/** Callers who want to hear of each new value. One that throws harms nobody else. */
export class Listeners<Value> {
  readonly #listeners = new Set<(value: Value) => unknown>();
  readonly #onError: (error: unknown) => void;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Calls back from now on. Returns the way to stop. */
  add(listener: (value: Value) => unknown): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Tells everyone; the promise of a listener that returns one is watched, too. */
  emit(value: Value): void {
    for (const listener of [...this.#listeners]) {
      void (async () => listener(value))().catch(this.#onError);
    }
  }
}

/** The values from `first` on, until the signal. A slow reader finds the newest and may miss what lay between. */
export async function* newest<Value>(
  first: () => Value | undefined,
  listeners: Listeners<Value>,
  signal: AbortSignal,
): AsyncGenerator<Value, void> {
  let next = first();
  let wake = (): void => {};
  const stop = listeners.add((value) => {
    next = value;
    wake();
  });
  const onAbort = (): void => wake();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    while (!signal.aborted) {
      if (next === undefined) await new Promise<void>((resolve) => (wake = resolve));
      const value = next;
      next = undefined;
      if (value !== undefined && !signal.aborted) yield value;
    }
  } finally {
    stop();
    signal.removeEventListener("abort", onAbort);
  }
}
