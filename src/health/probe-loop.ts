import { HubError } from "../errors.ts";
import { spread, startDeadline } from "./deadline.ts";
import type { OpenProbe, Probe, Reading } from "./probe.ts";
import type { Target } from "./targets.ts";

/** What is known of a component from its probe. */
export interface ProbeState extends Required<Reading> {
  /** Since when the verdict is what it is, in milliseconds since 1970. */
  readonly since: number;
  /** When the last look ended, in milliseconds since 1970; undefined before the first. */
  readonly checkedAt: number | undefined;
  /** What the last look took, in milliseconds; undefined before the first. */
  readonly latencyMs: number | undefined;
}

interface Look {
  readonly reading: Reading;
  /** Whether it ran into its deadline. */
  readonly isLate: boolean;
  readonly latencyMs: number;
}

/** Time between a look that says otherwise than before and the one that confirms it, in milliseconds. */
const CONFIRM_MS = 250;
/** Least time that a confirming look gets, in milliseconds. Otherwise it gets what the first has left. */
const CONFIRM_TIMEOUT_MS = 500;
/** How long a probe that is closed is waited for, in milliseconds. */
const CLOSE_MS = 1_000;

/**
 * Looks at one component again and again, one look at a time. A verdict changes when a second look, a moment later,
 * says the same: one lost packet is no outage, and one answer from a server that comes and goes is no recovery. A
 * look that ran into its deadline needs no second one. A look that does not even end then is left behind, and no
 * other begins while it lasts.
 */
export class ProbeLoop {
  readonly #target: Target;
  readonly #open: OpenProbe;
  readonly #onLook: () => void;
  readonly #stopped = new AbortController();
  #state: ProbeState;
  #probe: Probe | undefined;
  #look: AbortController | undefined;
  #isAsking = false;
  #timer: NodeJS.Timeout | undefined;
  #pass: Promise<void> = Promise.resolve();

  /** `onLook` is called when a look has been made of. `known` is what was known of the same component before. */
  constructor(target: Target, open: OpenProbe, onLook: () => void, known?: ProbeState) {
    this.#target = target;
    this.#open = open;
    this.#onLook = onLook;
    this.#state = known ?? notLookedAt(Date.now());
    this.#next(0);
  }

  get state(): ProbeState {
    return this.#state;
  }

  /** Ends the look that is under way, begins no other, and closes the probe. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    clearTimeout(this.#timer);
    this.#look?.abort();
    await this.#pass;
    const closed = new AbortController();
    const closing = this.#close().catch(() => {});
    await Promise.race([closing.finally(() => closed.abort()), pause(CLOSE_MS, closed.signal)]);
  }

  async #close(): Promise<void> {
    await this.#probe?.close();
  }

  #next(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#pass = this.#run();
    }, delayMs);
    // A look that is due keeps no process alive.
    this.#timer.unref();
  }

  async #run(): Promise<void> {
    await this.#openProbe();
    if (this.#stopped.signal.aborted) return;
    const began = performance.now();
    const elapsed = (): number => performance.now() - began;
    let look = await this.#lookOnce(this.#target.timeoutMs);
    if (this.#asksForMore(look)) {
      await pause(CONFIRM_MS, this.#stopped.signal);
      if (!this.#stopped.signal.aborted) {
        look = await this.#lookOnce(Math.max(CONFIRM_TIMEOUT_MS, this.#target.timeoutMs - elapsed()));
      }
    }
    if (this.#stopped.signal.aborted) return;
    this.#take(look);
    this.#next(Math.max(0, spread(this.#target.intervalMs) - elapsed()));
    this.#onLook();
  }

  // Bad news of what was well, or of what nobody has seen yet, and good news of what was not.
  #asksForMore({ reading, isLate }: Look): boolean {
    if (isLate) return false;
    const isFirst = this.#state.checkedAt === undefined;
    return reading.verdict === "ok"
      ? this.#state.verdict !== "ok" && !isFirst
      : this.#state.verdict === "ok" || isFirst;
  }

  #take({ reading, latencyMs }: Look): void {
    const { verdict, reason, warnings } = reading;
    const before = this.#state;
    const isOk = verdict === "ok";
    const now = Date.now();
    this.#state = {
      verdict,
      reason: isOk ? "" : reason,
      warnings,
      // What the last good look has learned stays.
      facts: isOk ? reading.facts : { ...before.facts, ...reading.facts },
      measures: isOk ? (reading.measures ?? {}) : before.measures,
      since: verdict === before.verdict && before.checkedAt !== undefined ? before.since : now,
      checkedAt: now,
      latencyMs,
    };
  }

  async #lookOnce(timeoutMs: number): Promise<Look> {
    const began = performance.now();
    const look = new AbortController();
    this.#look = look;
    let isLate = false;
    const takeBack = startDeadline(timeoutMs, () => {
      isLate = true;
      look.abort();
    });
    const reading = await this.#ask(look.signal, timeoutMs).catch(
      (error: unknown): Reading => ({
        // Where an address cannot be made sense of, nobody has looked.
        verdict: error instanceof HubError && error.reason === "NOT_CONFIGURED" ? "unknown" : "wrong",
        reason: error instanceof Error ? error.message : String(error),
        facts: {},
        warnings: [],
      }),
    );
    takeBack();
    this.#look = undefined;
    return { reading, isLate, latencyMs: performance.now() - began };
  }

  async #ask(signal: AbortSignal, timeoutMs: number): Promise<Reading> {
    const late = Promise.withResolvers<never>();
    const refuse = (): void => late.reject(new Error(`no answer within ${Math.round(timeoutMs)} ms`));
    if (this.#isAsking) {
      // The look before has not heard of its deadline.
      signal.addEventListener("abort", refuse, { once: true });
      return await late.promise;
    }
    // What the probe itself says of its end counts for more, so it is let speak first.
    signal.addEventListener("abort", () => setImmediate(refuse), { once: true });
    const asked = this.#check(signal);
    return await Promise.race([asked, late.promise]);
  }

  // The loading of a driver is no part of a look.
  async #openProbe(): Promise<Probe | Error> {
    if (this.#probe) return this.#probe;
    try {
      this.#probe = await this.#open(this.#target);
      return this.#probe;
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  async #check(signal: AbortSignal): Promise<Reading> {
    this.#isAsking = true;
    try {
      const probe = await this.#openProbe();
      if (probe instanceof Error) throw probe;
      return await probe.check(signal);
    } finally {
      this.#isAsking = false;
    }
  }
}

/** What is known of a component before the first look. */
export function notLookedAt(since: number): ProbeState {
  return {
    verdict: "unknown",
    reason: "not looked at yet",
    facts: {},
    measures: {},
    warnings: [],
    since,
    checkedAt: undefined,
    latencyMs: undefined,
  };
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    timer.unref();
    signal?.addEventListener("abort", end);
    if (signal?.aborted) end();
  });
}
