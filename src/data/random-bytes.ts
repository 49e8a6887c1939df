import { randomFillSync } from "node:crypto";

// Asked for some hundred at a time: asking costs more than what is asked for.
const pool = Buffer.alloc(4096);
let taken = pool.length;

/** One random byte, for the caller alone. */
export function randomByte(): number {
  refillFor(1);
  return pool[taken++] as number;
}

/** Random bytes, at most 4,096, for the caller alone. They are gone at the next call, so what is to stay is copied. */
export function randomBytes(size: number): Buffer {
  refillFor(size);
  taken += size;
  return pool.subarray(taken - size, taken);
}

function refillFor(size: number): void {
  if (taken + size <= pool.length) return;
  randomFillSync(pool);
  taken = 0;
}
