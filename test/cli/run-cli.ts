import { runCommand } from "../../src/cli/run.ts";

/** What a command said, and how it ended. */
export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** A command that is running. */
export interface Running {
  /** What it has said so far. */
  readonly out: () => string;
  readonly err: () => string;
  /** Stops it as Ctrl-C does. */
  readonly stop: () => void;
  readonly ended: Promise<Ran>;
}

/** Runs a command line within the test's process, with nothing in the environment but what is given. */
export function runCli(argv: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return startCli(argv, env).ended;
}

/** Starts a command line within the test's process, with nothing in the environment but what is given. */
export function startCli(argv: readonly string[], env: Record<string, string> = {}): Running {
  let out = "";
  let err = "";
  const controller = new AbortController();
  const ended = runCommand(argv, {
    env,
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    untilStopped: () => controller.signal,
  }).then((code) => ({ code, out, err }));
  return { out: () => out, err: () => err, stop: () => controller.abort(), ended };
}
