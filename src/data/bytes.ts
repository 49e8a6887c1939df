/** Longer texts are written by Node in one go; shorter ones, which most are, sooner here. */
const SHORT = 48;

/** Writes a text as UTF-8, and gives how many bytes that took. There must be room for it. */
export function writeText(into: Buffer, text: string, at: number): number {
  const { length } = text;
  if (length > SHORT) return into.write(text, at);
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return into.write(text, at);
    into[at + index] = code;
  }
  return length;
}

const HALF = 2 ** 32;

/** Writes a whole number of 64 bits, the highest first, and gives where it ends. */
export function writeInt64(into: Buffer, value: bigint, at: number): number {
  const number = Number(value);
  // Arithmetic with bigint makes several of them, each an object.
  if (number < 0 || number > Number.MAX_SAFE_INTEGER) return into.writeBigInt64BE(value, at);
  into.writeUInt32BE(Math.floor(number / HALF), at);
  return into.writeUInt32BE(number % HALF, at + 4);
}

/** The digit 0 in ASCII, as in UTF-8. */
export const ZERO = 0x30;
const NINE = 0x39;

/** Whether a byte is a decimal digit there. */
export function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}
