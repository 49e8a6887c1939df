import type { WatchMessagingConfigResponse } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { seenIn } from "./tiny.ts";

/** The promises of a watch; each fault names the one that was broken. */
export type Promise6 = "ordered" | "unique" | "reliable" | "atomic" | "resumable" | "bookmarkable" | "parked";

/** A promise that a watch has broken. */
export class WatchFault extends Error {
  readonly promise: Promise6;
  constructor(promise: Promise6, what: string) {
    super(`${promise}: ${what}`);
    this.promise = promise;
  }
}

/** What the checker knows by itself of the history and of its client. */
export interface Truth {
  readonly epoch: string;
  /** What the client is to see at a revision. */
  stateAt(revision: bigint): string;
  /** Whether the client has refused a state. */
  hasRefused(state: string): boolean;
}

/**
 * Judges what one client is sent, over all of its connections, against the history. It takes nothing from the watch
 * but the messages.
 */
export class WatchChecker {
  readonly #truth: Truth;
  readonly #statesByNonce = new Map<string, string>();
  #newest = 0n;
  #held: string | undefined;
  #isFirst = true;
  #hasResumed = false;

  constructor(truth: Truth) {
    this.#truth = truth;
  }

  /** The newest revision that the client has heard of; 0 when of none. */
  get newest(): bigint {
    return this.#newest;
  }

  /** What the client has now; undefined before its first snapshot. */
  get held(): string | undefined {
    return this.#held;
  }

  /** The client connects, and goes on from a header that it has seen, or starts anew. */
  connect(resume: bigint | undefined): void {
    this.#isFirst = true;
    this.#hasResumed = resume !== undefined;
    this.#held = resume === undefined ? undefined : this.#truth.stateAt(resume);
  }

  /** Throws WatchFault. */
  take(message: WatchMessagingConfigResponse): void {
    const { header, nonce } = message;
    if (!header) throw new WatchFault("bookmarkable", "a message without a header");
    const { epoch, revision, etag } = header;
    if (epoch !== this.#truth.epoch) throw new WatchFault("ordered", `a message of epoch ${epoch}`);
    if (revision < this.#newest) {
      const promise = this.#isFirst ? "resumable" : "ordered";
      throw new WatchFault(promise, `revision ${revision} after ${this.#newest}`);
    }
    const seen = seenIn(message);
    if (seen === undefined) this.#takeBookmark(revision, nonce);
    else this.#takeSnapshot(seen, revision, nonce, etag);
    this.#newest = revision;
    this.#isFirst = false;
  }

  /** Everything has been read. Throws WatchFault. */
  expectCurrent(newest: bigint): void {
    const state = this.#truth.stateAt(newest);
    if (this.#held === state || this.#truth.hasRefused(state)) return;
    throw new WatchFault("reliable", `the client has "${this.#held}" where revision ${newest} is "${state}"`);
  }

  #takeBookmark(revision: bigint, nonce: string): void {
    if (nonce !== "") throw new WatchFault("bookmarkable", "a bookmark with a nonce");
    if (this.#isFirst && !this.#hasResumed) throw new WatchFault("resumable", "a start without a snapshot");
    const state = this.#truth.stateAt(revision);
    if (state === this.#held || this.#truth.hasRefused(state)) return;
    throw new WatchFault("bookmarkable", `a bookmark at ${revision}, where "${this.#held}" is "${state}"`);
  }

  #takeSnapshot(seen: string, revision: bigint, nonce: string, etag: string): void {
    const state = this.#truth.stateAt(revision);
    if (seen !== state)
      throw new WatchFault("atomic", `"${seen}" at revision ${revision}, which is "${state}"`);
    if (seen === this.#held) throw new WatchFault("unique", `"${seen}" again at revision ${revision}`);
    if (nonce === "" || nonce !== etag) throw new WatchFault("unique", `nonce "${nonce}", etag "${etag}"`);
    const known = this.#statesByNonce.get(nonce) ?? seen;
    if (known !== seen) throw new WatchFault("unique", `one nonce for "${known}" and "${seen}"`);
    this.#statesByNonce.set(nonce, seen);
    const startsAnew = this.#isFirst && !this.#hasResumed;
    if (this.#truth.hasRefused(seen) && !startsAnew)
      throw new WatchFault("parked", `"${seen}" again, which the client has refused`);
    this.#held = seen;
  }
}
