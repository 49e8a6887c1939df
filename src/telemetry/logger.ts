import { pino } from "pino";

/** Writes one line of JSON for each event. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

// Wherever a secret could get into a logged object, its value is left out.
const SECRETS = ["authorization", "cookie", "password", "token", "secret"];
const REDACT = SECRETS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/** A logger to standard error: standard output belongs to the answers of commands. `base` is part of every line. */
export function createLogger(level: string, base: Record<string, unknown> | null = null): Logger {
  return pino({ level, redact: REDACT, base }, pino.destination({ fd: 2, sync: true }));
}

/** A logger that writes nothing. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
