/** A limit on its way down. Times, sizes and counts alike; UNLIMITED is none. */
export interface Limit {
  readonly current: bigint;
  readonly target: bigint;
  /** What is held now, rounded up: to go down to it loses nothing. */
  readonly held: bigint;
  /** Greatest step; undefined: half of what is in effect, and `leastStep` at least. */
  readonly step: bigint | undefined;
  readonly leastStep: bigint;
}

export const UNLIMITED = -1n;

/** Steps are counted no further than that. */
const STEPS_MAX = 2_147_483_647n;

/** Whether a limit gets tighter from one value to another. */
export function isTighter(from: bigint, to: bigint): boolean {
  return to !== UNLIMITED && (from === UNLIMITED || to < from);
}

/**
 * The next value on the way down, never below the target, and how many steps remain after it. What had no limit first
 * gets one that everything which is there still fits in.
 */
export function nextStep(limit: Limit): { readonly next: bigint; readonly stepsLeft: number } {
  const { target, step } = limit;
  const next = lower(limit, limit.current);
  if (step !== undefined) {
    const left = (next - target + step - 1n) / step;
    return { next, stepsLeft: Number(left < STEPS_MAX ? left : STEPS_MAX) };
  }
  let stepsLeft = 0;
  for (let at = next; at > target; at = lower(limit, at)) stepsLeft += 1;
  return { next, stepsLeft };
}

function lower({ target, held, step, leastStep }: Limit, current: bigint): bigint {
  if (current === UNLIMITED) return greater(target, held);
  if (step !== undefined) return greater(target, current - step);
  const half = current - greater((current + 1n) / 2n, leastStep);
  // What is held already may be younger, or fewer, than half a step down leaves room for.
  return greater(target, half < held ? half : held);
}

function greater(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

/** The least power of two that is twice as much at least: room to grow in, and the same from one look to the next. */
export function roomFor(amount: bigint): bigint {
  let room = 1n;
  while (room < amount * 2n) room *= 2n;
  return amount === 0n ? 0n : room;
}

const DAY_MS = 86_400_000n;

/** The age of the oldest in milliseconds, in whole days with one more to be on the safe side; 0 when there is none. */
export function ageRoom(time: number, oldestTime: number | undefined): bigint {
  if (oldestTime === undefined) return 0n;
  const age = BigInt(Math.max(0, Math.ceil(time - oldestTime)));
  return ((age + DAY_MS - 1n) / DAY_MS + 1n) * DAY_MS;
}
