import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { HubError } from "../../errors.ts";
import type { ApplyLease, ApplyLock } from "../../topology/ports.ts";
import type { BucketEntry, HubBucket } from "./hub-bucket.ts";

const KEY = "apply.lock";
/** How long a lease lasts without a sign of life, and how often one is given; in milliseconds. */
const LEASE_MS = 10_000;
const RENEW_MS = 1_000;
/** Before it has run out for others, its holder takes a lease for lost: clocks of two machines go differently fast. */
const OWN_LEASE_MS = 7_000;
const LOOK_AGAIN_MS = 250;

interface Holder {
  readonly id: string;
  readonly name: string;
  readonly host: string;
  readonly since: string;
  /** Counts the signs of life: a lease whose count stands still has nobody who holds it. */
  readonly beat: number;
}

/** The lock of hubs that share a log: a lease in a bucket beside it, which its holder renews. */
export function openApplyLease(bucket: HubBucket): ApplyLock {
  return {
    acquire: async (name, waitMs, signal) => {
      const end = performance.now() + waitMs;
      const stillness = new Stillness();
      const holder = { id: randomUUID(), name, host: hostname(), since: new Date().toISOString(), beat: 0 };
      for (;;) {
        signal.throwIfAborted();
        const began = performance.now();
        const entry = await bucket.get(KEY);
        const held = entry && read(entry.value);
        // An answer that got lost may have been a yes.
        if (entry && held?.id === holder.id) return new Lease(bucket, holder, entry.revision, began);
        if (!entry || !held || stillness.isDead(entry)) {
          const revision = await bucket.put(KEY, JSON.stringify(holder), entry?.revision ?? 0);
          if (revision !== undefined) return new Lease(bucket, holder, revision, began);
        } else if (performance.now() >= end && !stillness.isDoubtful) {
          throw applyRunning(held);
        }
        await sleep(LOOK_AGAIN_MS);
      }
    },
  };
}

// Time is reckoned by the own clock alone, from when a lease was first seen as it is: no two clocks need agree.
class Stillness {
  #revision = -1;
  #since = 0;
  #isFirst = true;

  isDead({ revision }: BucketEntry): boolean {
    if (revision !== this.#revision) {
      this.#isFirst = this.#revision === -1;
      this.#revision = revision;
      this.#since = performance.now();
    }
    return performance.now() - this.#since > LEASE_MS;
  }

  /** Whether no sign of life has been seen since the first look: then it is waited for, or for the end of the lease. */
  get isDoubtful(): boolean {
    return this.#isFirst;
  }
}

class Lease implements ApplyLease {
  readonly #lost = new AbortController();
  readonly #bucket: HubBucket;
  readonly #timer: NodeJS.Timeout;
  #holder: Holder;
  #revision: number;
  #renewed: number;
  #renewing: Promise<void> = Promise.resolve();

  constructor(bucket: HubBucket, holder: Holder, revision: number, began: number) {
    this.#bucket = bucket;
    this.#holder = holder;
    this.#revision = revision;
    this.#renewed = began;
    this.#timer = setInterval(() => {
      this.#renewing = this.#renewing.then(() => this.#renew());
    }, RENEW_MS);
    this.#timer.unref();
  }

  // A process that was held still finds out here, before it does anything with a lease that may be another's by now.
  get lost(): AbortSignal {
    if (performance.now() - this.#renewed > OWN_LEASE_MS) this.#lose();
    return this.#lost.signal;
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
    if (this.#lost.signal.aborted) return;
    this.#lose();
    // What cannot be given back runs out by itself.
    await this.#bucket.remove(KEY, this.#revision).catch(() => {});
  }

  async #renew(): Promise<void> {
    if (this.#lost.signal.aborted) return;
    const began = performance.now();
    const holder = { ...this.#holder, beat: this.#holder.beat + 1 };
    try {
      const revision = await this.#bucket.put(KEY, JSON.stringify(holder), this.#revision);
      if (revision === undefined) return await this.#findOut(began);
      this.#holder = holder;
      this.#revision = revision;
      this.#renewed = began;
    } catch {
      // It is tried again until the lease runs out.
    }
    if (performance.now() - this.#renewed > OWN_LEASE_MS) this.#lose();
  }

  // The lease is another's, or an answer to one of our own writes got lost.
  async #findOut(began: number): Promise<void> {
    const entry = await this.#bucket.get(KEY);
    if (!entry || read(entry.value)?.id !== this.#holder.id) return this.#lose();
    this.#revision = entry.revision;
    this.#renewed = began;
  }

  #lose(): void {
    clearInterval(this.#timer);
    this.#lost.abort();
  }
}

function applyRunning({ name, host, since }: Holder): HubError {
  return new HubError(
    "APPLY_RUNNING",
    `another apply runs, by ${name} through the hub on ${host} since ${since}; wait for it to end, or set lock_wait`,
    { metadata: { holder: name, since } },
  );
}

function read(value: string): Holder | undefined {
  try {
    const { id, name, host, since } = JSON.parse(value);
    return [id, name, host, since].every((text) => typeof text === "string") ? JSON.parse(value) : undefined;
  } catch {
    return undefined;
  }
}
