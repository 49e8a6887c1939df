import { randomUUID } from "node:crypto";

// A version 4 UUID of this process whose last part counts: as unique as a new one, and made in passing.
const PREFIX = randomUUID().slice(0, -12);
let made = 0;

/** The id of a request: the client's own when it is fit for a log, else a new one. */
export function requestIdOf(header: string | null | undefined): string {
  return header && /^[\w.:-]{1,64}$/.test(header) ? header : newId();
}

function newId(): string {
  made += 1;
  return PREFIX + made.toString(16).padStart(12, "0");
}
