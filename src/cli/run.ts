import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CommandFailed, type Surroundings, UsageError } from "./command.ts";
import { DATA_HELP } from "./data-help.ts";
import { HEALTH_HELP } from "./health-help.ts";
import { EXPORT_HELP, GET_HELP, HELP } from "./help.ts";
import {
  DIFF_HELP,
  HISTORY_HELP,
  PUBLISH_HELP,
  ROLLBACK_HELP,
  ROLLOUT_HELP,
  WATCH_HELP,
} from "./release-help.ts";
import { RENDER_HELP } from "./render-help.ts";
import { APPLY_HELP, IMPORT_HELP, PLAN_HELP } from "./topology-help.ts";

export { HELP };

/** Exit codes of every command. */
export const EXIT = { ok: 0, failure: 1, usage: 2, deviation: 3 } as const;

/** What runCommand works with; text goes to the process's own streams unless told otherwise. */
export type CommandContext = Pick<Surroundings, "env"> & Partial<Surroundings>;

interface Command {
  readonly help: string;
  /** Loads the command, with all that it needs, only when it is the one that runs. It may say its exit code. */
  readonly load: () => Promise<
    (args: readonly string[], surroundings: Surroundings) => Promise<void> | Promise<number>
  >;
}

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  ["get", { help: GET_HELP, load: async () => (await import("./get.ts")).get }],
  ["watch", { help: WATCH_HELP, load: async () => (await import("./watch.ts")).watch }],
  ["publish", { help: PUBLISH_HELP, load: async () => (await import("./publish.ts")).publish }],
  ["history", { help: HISTORY_HELP, load: async () => (await import("./history.ts")).history }],
  ["diff", { help: DIFF_HELP, load: async () => (await import("./diff.ts")).diff }],
  ["rollback", { help: ROLLBACK_HELP, load: async () => (await import("./rollback.ts")).rollback }],
  ["rollout", { help: ROLLOUT_HELP, load: async () => (await import("./rollout.ts")).rollout }],
  ["health", { help: HEALTH_HELP, load: async () => (await import("./health.ts")).health }],
  ["plan", { help: PLAN_HELP, load: async () => (await import("./plan.ts")).plan }],
  ["apply", { help: APPLY_HELP, load: async () => (await import("./apply.ts")).apply }],
  ["import", { help: IMPORT_HELP, load: async () => (await import("./import.ts")).importTopology }],
  ["render", { help: RENDER_HELP, load: async () => (await import("./render.ts")).render }],
  ["data", { help: DATA_HELP, load: async () => (await import("./data.ts")).data }],
  ["export", { help: EXPORT_HELP, load: async () => (await import("./export-protos.ts")).exportProtos }],
]);

/** Runs a command that is a client of the API; returns its exit code. */
export async function runCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const err = (text: string): void => void process.stderr.write(text);
  const surroundings: Surroundings = {
    out: writeOut,
    err,
    untilStopped: stopSignal,
    confirm: terminal(),
    ...context,
  };
  try {
    return (await dispatch(argv, surroundings)) ?? EXIT.ok;
  } catch (error) {
    if (error instanceof UsageError) {
      surroundings.err(`central-hub: ${error.message}\n${usageOf(argv[0])}\n`);
      return EXIT.usage;
    }
    if (error instanceof CommandFailed) {
      surroundings.err(`central-hub: ${error.message}\n`);
      return EXIT.failure;
    }
    throw error;
  }
}

async function dispatch(
  [name, ...args]: readonly string[],
  surroundings: Surroundings,
): Promise<number | undefined> {
  const command = COMMANDS.get(name ?? "");
  if (command) return (await (await command.load())(args, surroundings)) ?? undefined;
  surroundings.out(await answer(name, args));
  return undefined;
}

// What the program says of itself.
async function answer(name: string | undefined, args: readonly string[]): Promise<string> {
  switch (name) {
    case "version":
    case "--version":
      return `${await packageVersion()}\n`;
    case "help":
      return COMMANDS.get(args[0] ?? "")?.help ?? HELP;
    case "--help":
    case "-h":
      return HELP;
    case undefined:
      throw new UsageError("name a command");
    default:
      throw new UsageError(`"${name}" is not a command`);
  }
}

// How a command goes, in one line, or everything when there is no such command.
function usageOf(name: string | undefined): string {
  const usage = /^usage: .*$/m.exec(COMMANDS.get(name ?? "")?.help ?? "")?.[0];
  if (usage === undefined) return `\n${HELP.trimEnd()}`;
  return usage.endsWith("[flags]") ? `${usage}; central-hub ${name} --help says more` : usage;
}

async function packageVersion(): Promise<string> {
  const text = await readFile(join(import.meta.dirname, "../../package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function writeOut(text: string): void {
  if (process.stdout.listenerCount("error") === 0) process.stdout.on("error", onOutError);
  process.stdout.write(text);
}

function onOutError(error: NodeJS.ErrnoException): void {
  // The reader has seen enough, as `head` does.
  if (error.code === "EPIPE") process.exit(EXIT.ok);
  throw error;
}

// A way to ask, where there is a person at both ends.
function terminal(): Surroundings["confirm"] {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return undefined;
  return async (question) => {
    const asking = createInterface({ input: process.stdin, output: process.stderr });
    // Ctrl-C and the end of the input are a no.
    const answer = await new Promise<string>((resolve) => {
      asking.once("close", () => resolve(""));
      asking.question(`${question} Type "yes": `, resolve);
    });
    asking.close();
    return answer.trim().toLowerCase() === "yes";
  };
}

// The first Ctrl-C ends a command in good order; the second, which nobody listens for, the process.
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => controller.abort());
  return controller.signal;
}
