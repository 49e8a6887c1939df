import { HubError } from "../errors.ts";
import { type Observation, ObservationLoop } from "./observation.ts";
import type { Target } from "./targets.ts";

/** Looks at the system of a target, and can be closed. */
export interface Observer<Observed> {
  observe(signal: AbortSignal): Promise<Observed>;
  close(): Promise<void>;
}

/** Least time that one look may take, in milliseconds: it asks for more than a probe does. */
const LOOK_TIMEOUT_MS = 10_000;

/**
 * Observes the system that declarations are held against, wherever the newest documents and settings say that it is.
 */
export class SystemWatch<Observed> {
  readonly #open: (target: Target) => Promise<Observer<Observed>>;
  readonly #listeners = new Set<() => void>();
  #target: Target | undefined;
  #loop: ObservationLoop<Observed> | undefined;
  #ended: Promise<void> = Promise.resolve();

  constructor(open: (target: Target) => Promise<Observer<Observed>>) {
    this.#open = open;
  }

  /** What is looked at; undefined when nothing is configured. */
  get target(): Target | undefined {
    return this.#target;
  }

  /** What is known of it; undefined when nothing is configured. */
  get observation(): Observation<Observed> | undefined {
    return this.#loop?.observation;
  }

  /** Looks now. Throws NOT_CONFIGURED, and BROKER_UNAVAILABLE when the system cannot be seen. */
  async observe(): Promise<Observed> {
    if (!this.#loop) throw new HubError("NOT_CONFIGURED", "the system has no address; set one and try again");
    const { observed, error } = await this.#loop.refresh();
    if (error !== undefined || !observed) throw new HubError("BROKER_UNAVAILABLE", `${error}; try again`);
    return observed;
  }

  /** Looks at another target from now on, or at none. The same target as before changes nothing. */
  aim(target: Target | undefined): void {
    if (JSON.stringify(target) === JSON.stringify(this.#target)) return;
    this.#target = target;
    this.#end();
    if (target) this.#begin(target);
    this.#tell();
  }

  /** Calls back after every look, and when the target has changed. Returns the way to stop. */
  onLook(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async stop(): Promise<void> {
    this.#end();
    await this.#ended;
  }

  #begin(target: Target): void {
    let observer: Promise<Observer<Observed>> | undefined;
    const loop = new ObservationLoop<Observed>(
      async (signal) => {
        observer ??= this.#open(target);
        return await (await observer).observe(signal);
      },
      { intervalMs: target.intervalMs, timeoutMs: Math.max(target.timeoutMs, LOOK_TIMEOUT_MS) },
      () => this.#tell(),
    );
    this.#loop = loop;
    this.#close = async () => {
      await loop.stop();
      await (await observer?.catch(() => undefined))?.close();
    };
  }

  #close: () => Promise<void> = async () => {};

  #end(): void {
    const close = this.#close;
    this.#close = async () => {};
    this.#loop = undefined;
    this.#ended = this.#ended.then(close);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
