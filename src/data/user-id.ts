import { HubError } from "../errors.ts";

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

/** The same text, if it may name a user. Throws INVALID_REQUEST. */
export function checkUserId(userId: string): string {
  if (!isUserId(userId)) {
    throw new HubError(
      "INVALID_REQUEST",
      "user_id: must be 1 to 128 characters, none of them a control character",
    );
  }
  return userId;
}
