import { type ParseArgsConfig, parseArgs } from "node:util";

/** What a command works with: the environment, and where its text goes. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Takes the result: what a script reads. */
  readonly out: (text: string) => void;
  /** Takes everything that is said about the result. */
  readonly err: (text: string) => void;
  /** Asks to be told when the user has had enough, as with Ctrl-C, for commands that have no end of their own. */
  readonly untilStopped: () => AbortSignal;
  /** Asks the user yes or no; undefined when there is nobody to ask. */
  readonly confirm: ((question: string) => Promise<boolean>) | undefined;
}

/** The command line is wrong; the message says how. */
export class UsageError extends Error {}

/** The command could not do what it was asked; the message is for people. */
export class CommandFailed extends Error {}

/** Reads flags and positionals. Throws a UsageError for unknown flags and for flags without a value. */
export function readArguments<const Options extends NonNullable<ParseArgsConfig["options"]>>(
  args: readonly string[],
  options: Options,
) {
  const parsed = parseStrictly(args, options);
  for (const [name, value] of Object.entries(parsed.values)) {
    // An empty value is mostly a variable that is not set; to take it as "all" would hide that.
    if ([value].flat().includes("")) throw new UsageError(`--${name} needs a value`);
  }
  return parsed;
}

function parseStrictly<const Options extends NonNullable<ParseArgsConfig["options"]>>(
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args, options, allowPositionals: true, strict: true });
  } catch (error) {
    const code = error instanceof TypeError && "code" in error ? String(error.code) : "";
    if (!(error instanceof TypeError) || !code.startsWith("ERR_PARSE_ARGS_")) throw error;
    throw new UsageError(error.message.replace(/\. .*$|\n.*$/s, ""));
  }
}

/** A revision by its number. Throws a UsageError that begins with who wants it. */
export function readRevision(text: string, who: string): bigint {
  if (!/^[1-9]\d{0,17}$/.test(text)) throw new UsageError(`${who} takes the number of a revision, from 1`);
  return BigInt(text);
}

/** A number within limits. Throws a UsageError that names the flag. */
export function readNumber(
  flag: string,
  text: string,
  { min, max, whole = false }: { readonly min: number; readonly max: number; readonly whole?: boolean },
): number {
  const number = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(number >= min && number <= max) || (whole && !Number.isInteger(number))) {
    throw new UsageError(`--${flag} takes a ${whole ? "whole " : ""}number from ${min} to ${max}`);
  }
  return number;
}

/** The text on one line and without characters that steer a terminal; those are shown as escapes. */
export function printable(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
