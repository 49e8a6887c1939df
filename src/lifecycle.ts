/** Undoes one acquisition. */
export type Undo = () => void | Promise<void>;

/**
 * A stack of undos: each is pushed when its resource is acquired, and all run last-in first-out, once, also
 * when the start failed halfway. Every undo runs even if one before it throws; the first error is kept.
 */
export class Lifecycle {
  readonly #undos: Undo[] = [];
  #stopping: Promise<void> | undefined;

  /** Registers the undo of something just acquired. */
  defer(undo: Undo): void {
    this.#undos.push(undo);
  }

  /** Runs the undos. Callers after the first wait for the same run. */
  stop(): Promise<void> {
    this.#stopping ??= this.#run();
    return this.#stopping;
  }

  async #run(): Promise<void> {
    const errors: unknown[] = [];
    for (let undo = this.#undos.pop(); undo; undo = this.#undos.pop()) {
      try {
        await undo();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
