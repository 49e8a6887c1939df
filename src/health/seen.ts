/** A value that was seen, or the reason why it could not be: never a value that somebody made up. */
export type Seen<Value> =
  | { readonly isSeen: true; readonly value: Value }
  | { readonly isSeen: false; readonly reason: string };

/** What was seen. */
export function seen<Value>(value: Value): Seen<Value> {
  return { isSeen: true, value };
}

/** What could not be seen, and why. */
export function unseen(reason: string): Seen<never> {
  return { isSeen: false, reason };
}
