// JetStream writes times in nanoseconds and limits up to 2^63 - 1 as JSON numbers, which a double does not hold: a
// limit that is read and sent back would come to be another one.

/** A number of a server's answer: a bigint where a double would not hold it. */
export type Whole = number | bigint;

/** Reads JSON without losing a digit of a whole number. Throws SyntaxError. */
export function parseExact(text: string): unknown {
  const revive = (_key: string, value: unknown, context?: { readonly source?: string }): unknown => {
    const source = context?.source;
    const isRounded = typeof value === "number" && !Number.isSafeInteger(value);
    return isRounded && source !== undefined && /^-?\d+$/.test(source) ? BigInt(source) : value;
  };
  return JSON.parse(text, revive);
}

/** Writes JSON; a bigint becomes a number with all its digits. */
export function writeExact(value: unknown): string {
  return JSON.stringify(value, (_key, one: unknown) =>
    typeof one === "bigint" ? rawJSON(String(one)) : one,
  );
}

// Node has it since 21, and the compiler's libraries do not know it yet.
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
