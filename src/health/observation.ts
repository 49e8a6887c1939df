import { HubError } from "../errors.ts";
import { spread } from "./deadline.ts";

/** What is known of a system: the newest look that succeeded, and why the last one did not when it did not. */
export interface Observation<Observed> {
  /** The newest state that was seen; undefined when none was. */
  readonly observed: Observed | undefined;
  /** Why the system cannot be seen now; undefined when the last look succeeded. */
  readonly error: string | undefined;
}

/** Times in milliseconds. */
export interface ObservationTimes {
  /** From the start of one look to the start of the next. */
  readonly intervalMs: number;
  /** What one look may take. */
  readonly timeoutMs: number;
}

/**
 * Time in milliseconds after which a look counts as unanswered although it may still end well, unless the last good one
 * took half as long: whoever asks is told in time, and a cluster that takes its time is not cut off.
 */
const PATIENCE_MS = 2_500;

/**
 * Looks at a system again and again, one look at a time, and keeps what it saw. A look that takes long is told of, one that
 * takes too long is given up; a system that hangs delays nothing but the next look.
 */
export class ObservationLoop<Observed> {
  readonly #look: (signal: AbortSignal) => Promise<Observed>;
  readonly #times: ObservationTimes;
  readonly #onLook: (observation: Observation<Observed>) => void;
  readonly #stopped = new AbortController();
  #observation: Observation<Observed> = { observed: undefined, error: "it has not been looked at yet" };
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #lastMs = 0;

  /** `onLook` is called after every look, and when one takes long. The first look begins at once. */
  constructor(
    look: (signal: AbortSignal) => Promise<Observed>,
    times: ObservationTimes,
    onLook: (observation: Observation<Observed>) => void,
  ) {
    this.#look = look;
    this.#times = times;
    this.#onLook = onLook;
    this.#next(0);
  }

  get observation(): Observation<Observed> {
    return this.#observation;
  }

  /** Looks now, unless a look is under way, and waits for it. */
  async refresh(): Promise<Observation<Observed>> {
    if (!this.#stopped.signal.aborted) {
      clearTimeout(this.#timer);
      this.#running ??= this.#run();
      await this.#running;
    }
    return this.#observation;
  }

  /** Ends the look that is under way, and begins no other. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    clearTimeout(this.#timer);
    await this.#running;
  }

  #next(delayMs: number): void {
    this.#timer = setTimeout(() => void this.refresh(), delayMs);
    // A look that is due keeps no process alive.
    this.#timer.unref();
  }

  async #run(): Promise<void> {
    const began = performance.now();
    const { intervalMs, timeoutMs } = this.#times;
    const patienceMs = Math.max(PATIENCE_MS, 2 * this.#lastMs);
    const patience = setTimeout(() => {
      this.#miss(`no answer within ${patienceMs} ms`);
      this.#onLook(this.#observation);
    }, patienceMs);
    try {
      this.#observation = { observed: await this.#bounded(timeoutMs), error: undefined };
      this.#lastMs = Math.round(performance.now() - began);
    } catch (error) {
      this.#miss(error instanceof Error ? error.message : String(error));
    } finally {
      clearTimeout(patience);
    }
    this.#running = undefined;
    if (this.#stopped.signal.aborted) return;
    const wait = spread(intervalMs) - (performance.now() - began);
    this.#next(Math.max(0, wait));
    this.#onLook(this.#observation);
  }

  #miss(error: string): void {
    this.#observation = { observed: this.#observation.observed, error };
  }

  // The look may pay no heed to its signal; then it is left behind.
  async #bounded(timeoutMs: number): Promise<Observed> {
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = AbortSignal.any([timeout, this.#stopped.signal]);
    const late = Promise.withResolvers<never>();
    const giveUp = (): void =>
      late.reject(new HubError("BROKER_UNAVAILABLE", `no answer within ${timeoutMs} ms`));
    signal.addEventListener("abort", giveUp, { once: true });
    late.promise.catch(() => {});
    try {
      return await Promise.race([this.#look(signal), late.promise]);
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }
}
