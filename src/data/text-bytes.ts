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
