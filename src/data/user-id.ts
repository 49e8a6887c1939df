const CHARACTERS_MAX = 128;
// Invisible in every log.
const CONTROL = /\p{Cc}/u;

/** Whether a text may name a user: 1 to 128 characters, none of them a control character. */
export function isUserId(text: string): boolean {
  return (
    text !== "" &&
    // A character is one or two of those that a text has its length in.
    (text.length <= CHARACTERS_MAX || [...text].length <= CHARACTERS_MAX) &&
    !CONTROL.test(text) &&
    text.isWellFormed()
  );
}
