/** So much at once, and so much in each second. */
export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

/** What bounds one connection. Sizes in bytes. */
export interface SessionBounds {
  /** Open streams, at most. */
  readonly streams: number;
  /** The header of a request, as RFC 9113, 6.5.2 counts it. */
  readonly headerBytes: number;
  readonly headerFields: number;
  /** Of one body, and of all, on their way. Not less than 65,535. */
  readonly streamWindow: number;
  readonly connectionWindow: number;
  /** Of answers that wait; a request that comes then is refused. */
  readonly queueBytes: number;
  /** That have been sent and are not taken; a client that asks for more then is let go. */
  readonly unreadBytes: number;
  /** Streams that the client may reset. */
  readonly resets: Rate;
  /** Faults of the client that end a stream, and not the connection. */
  readonly faults: Rate;
}

/** What is left of a rate. */
export class Allowance {
  readonly #rate: Rate;
  #left: number;
  #at = performance.now();

  constructor(rate: Rate) {
    this.#rate = rate;
    this.#left = rate.burst;
  }

  /** Takes one, or says that there is none left. */
  take(): boolean {
    const now = performance.now();
    const { burst, perSecond } = this.#rate;
    this.#left = Math.min(burst, this.#left + ((now - this.#at) / 1_000) * perSecond);
    this.#at = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
