import type { LockedHead, PlannedHead } from "../../data/append-plan.ts";

/** Where a user stood when this process stored the newest event that it knows of. */
export interface KnownHead extends LockedHead {
  readonly recordTimeUs: bigint;
}

/** Users whose heads are kept, some 250 bytes each. */
const USERS = 10_000;
/** Batches after a wrong guess that are not guessed: where users are shared with another hub, a few wasted trips are all. */
const REST = 16;

/**
 * What this process has stored last of each user, and what the database's clock said then. Another process may have moved
 * on: whoever uses it has the database compare it under the lock, and says so when it was wrong.
 */
export class KnownHeads {
  readonly #heads = new Map<string, KnownHead>();
  readonly #now: () => number;
  // Of the database's clock to this one, in microseconds. It lags by the way of an answer.
  #offsetUs = 0;
  #rest = 0;

  /** `now` gives milliseconds of a clock that never steps. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** The heads of all these users, or undefined when the database is to be asked for them. */
  of(userIds: readonly string[]): ReadonlyMap<string, KnownHead> | undefined {
    if (this.#rest > 0) {
      this.#rest--;
      return;
    }
    const heads = new Map<string, KnownHead>();
    for (const userId of userIds) {
      const head = this.#heads.get(userId);
      if (!head) return;
      heads.set(userId, head);
    }
    return heads;
  }

  /** The database's clock now, in microseconds since 1970, but not before the newest event of any of these users. */
  timeAfter(heads: ReadonlyMap<string, KnownHead>): bigint {
    let timeUs = BigInt(Math.floor(this.#now() * 1000 + this.#offsetUs));
    for (const { recordTimeUs } of heads.values()) if (recordTimeUs > timeUs) timeUs = recordTimeUs;
    return timeUs;
  }

  /** The database's clock, as it has just been heard. */
  setClock(nowUs: bigint): void {
    this.#offsetUs = this.#offsetOf(nowUs);
  }

  /** The same as it was before a commit, which may have taken long. */
  advanceClock(nowUs: bigint): void {
    this.#offsetUs = Math.max(this.#offsetUs, this.#offsetOf(nowUs));
  }

  /** Where users stand after a commit. */
  keep(heads: ReadonlyMap<string, PlannedHead>, recordTimeUs: bigint): void {
    for (const [userId, { sequence, hash }] of heads) {
      // The longest known come first.
      this.#heads.delete(userId);
      this.#heads.set(userId, { sequence, hash, isErased: false, recordTimeUs });
    }
    for (const userId of this.#heads.keys()) {
      if (this.#heads.size <= USERS) break;
      this.#heads.delete(userId);
    }
  }

  /** A guess about these users was wrong. */
  forget(userIds: readonly string[]): void {
    for (const userId of userIds) this.#heads.delete(userId);
    this.#rest = REST;
  }

  #offsetOf(nowUs: bigint): number {
    return Number(nowUs) - this.#now() * 1000;
  }
}
