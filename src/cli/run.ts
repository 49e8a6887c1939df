import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CommandFailed, type Surroundings, UsageError } from "./command.ts";
import { exportProtos } from "./export-protos.ts";
import { get } from "./get.ts";
import { EXPORT_HELP, EXPORT_USAGE, GET_HELP, GET_USAGE, HELP } from "./help.ts";

export { HELP };

/** Exit codes of every command. */
export const EXIT = { ok: 0, failure: 1, usage: 2 } as const;

/** What runCommand works with; text goes to the process's own streams unless told otherwise. */
export type CommandContext = Pick<Surroundings, "env"> & Partial<Surroundings>;

/** Runs a command that is a client of the API; returns its exit code. */
export async function runCommand(argv: readonly string[], context: CommandContext): Promise<number> {
  const surroundings: Surroundings = { out: writeOut, err: (text) => process.stderr.write(text), ...context };
  try {
    await dispatch(argv, surroundings);
    return EXIT.ok;
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

async function dispatch([command, ...args]: readonly string[], surroundings: Surroundings): Promise<void> {
  switch (command) {
    case "get":
      return await get(args, surroundings);
    case "export":
      return await exportProtos(args, surroundings);
    case "version":
    case "--version":
      return surroundings.out(`${await packageVersion()}\n`);
    case "help":
      return surroundings.out(helpOf(args[0]));
    case "--help":
    case "-h":
      return surroundings.out(HELP);
    case undefined:
      throw new UsageError("name a command");
    default:
      throw new UsageError(`"${command}" is not a command`);
  }
}

function helpOf(command: string | undefined): string {
  if (command === "get") return GET_HELP;
  return command === "export" ? EXPORT_HELP : HELP;
}

function usageOf(command: string | undefined): string {
  if (command === "get") return GET_USAGE;
  return command === "export" ? EXPORT_USAGE : `\n${HELP.trimEnd()}`;
}

async function packageVersion(): Promise<string> {
  const text = await readFile(join(import.meta.dirname, "../../package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

function writeOut(text: string): void {
  process.stdout.once("error", (error: NodeJS.ErrnoException) => {
    // The reader has seen enough, as `head` does.
    if (error.code === "EPIPE") process.exit(EXIT.ok);
    throw error;
  });
  process.stdout.write(text);
}
