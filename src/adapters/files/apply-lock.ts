import { HubError } from "../../errors.ts";
import type { ApplyLease, ApplyLock } from "../../topology/ports.ts";

interface Holder {
  readonly name: string;
  readonly since: string;
}

/**
 * The lock of a hub that has its log to itself: the data directory's own lock keeps every other process out, so this
 * one is between the calls of this process, and is gone with it.
 */
export function openApplyLock(): ApplyLock {
  let holder: Holder | undefined;
  let waiting: (() => void)[] = [];

  const lease = (name: string): ApplyLease => {
    const held: Holder = { name, since: new Date().toISOString() };
    holder = held;
    return {
      lost: new AbortController().signal,
      release: async () => {
        if (holder !== held) return;
        holder = undefined;
        const woken = waiting;
        waiting = [];
        for (const wake of woken) wake();
      },
    };
  };

  return {
    acquire: async (name, waitMs, signal) => {
      const end = performance.now() + waitMs;
      while (holder) {
        signal.throwIfAborted();
        const left = end - performance.now();
        if (left <= 0) throw applyRunning(holder);
        await freedWithin(left, signal, (wake) => waiting.push(wake));
      }
      return lease(name);
    },
  };
}

function applyRunning({ name, since }: Holder): HubError {
  return new HubError(
    "APPLY_RUNNING",
    `another apply runs, by ${name} since ${since}; wait for it to end, or set lock_wait`,
    { metadata: { holder: name, since } },
  );
}

async function freedWithin(
  ms: number,
  signal: AbortSignal,
  onFree: (wake: () => void) => void,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => resolve(), { once: true });
  onFree(resolve);
  await promise;
  clearTimeout(timer);
}
