import { rename, writeFile } from "node:fs/promises";
import { TopologyService } from "../../gen/centralhub/topology/v1/topology_service_pb.ts";
import { CommandFailed, readArguments, type Surroundings, UsageError } from "./command.ts";
import { ask, readTarget, TARGET_FLAGS } from "./connection.ts";
import { RENDER_HELP } from "./render-help.ts";

const FLAGS = {
  ...TARGET_FLAGS,
  version: { type: "string" },
  output: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** `render nats-permissions`: what is declared, in the words of a server's own configuration. */
export async function render(args: readonly string[], { env, out, err }: Surroundings): Promise<void> {
  const { values, positionals } = readArguments(args, FLAGS);
  if (values.help) return out(RENDER_HELP);
  const [what, ...more] = positionals;
  if (what !== "nats-permissions" || more.length > 0) {
    throw new UsageError("render: name what to render: nats-permissions");
  }
  const target = readTarget(values, env);
  const { version = "", output } = values;
  const { block, passwordVariables } = await ask(target, TopologyService, (hub) =>
    hub.renderNatsPermissions({ version }),
  );
  if (output === undefined) out(block);
  else await replace(output, block);
  const variables = Object.entries(passwordVariables).map(([service, name]) => `  ${name}  ${service}\n`);
  err(`passwords that the server takes from its environment:\n${variables.join("")}`);
}

// A server that reads the file meanwhile gets the one before or the new one, whole.
async function replace(file: string, text: string): Promise<void> {
  const next = `${file}.new`;
  try {
    await writeFile(next, text);
    await rename(next, file);
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new CommandFailed(error.message, { cause: error });
  }
}
