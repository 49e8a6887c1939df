import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { TopologyService } from "../../gen/centralhub/topology/v1/topology_service_pb.ts";
import { CommandFailed, printable, readArguments, type Surroundings, UsageError } from "./command.ts";
import { ask, readTarget, TARGET_FLAGS } from "./connection.ts";
import { refused, showOutcome } from "./outcome.ts";
import { askForChange, newestRevision } from "./releases.ts";
import { PLAN_TIMEOUT_SECONDS, readSystems } from "./topology-flags.ts";
import { IMPORT_HELP } from "./topology-help.ts";

const FLAGS = {
  ...TARGET_FLAGS,
  version: { type: "string" },
  systems: { type: "string" },
  domain: { type: "string" },
  dir: { type: "string" },
  publish: { type: "boolean" },
  comment: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** `import`: makes documents of what the brokers have. */
export async function importTopology(
  args: readonly string[],
  { env, out, err }: Surroundings,
): Promise<void> {
  const { values, positionals } = readArguments(args, FLAGS);
  if (values.help) return out(IMPORT_HELP);
  if (positionals.length > 0) throw new UsageError(`import: "${positionals[0]}" is one word too many`);
  const { dir, publish = false, comment = "imported from the brokers" } = values;
  if ((dir === undefined) !== publish)
    throw new UsageError("import: say --dir DIR or --publish, one of the two");
  const request = {
    version: values.version ?? "",
    systems: readSystems(values.systems),
    domain: values.domain ?? "",
  };
  const target = readTarget(values, env, PLAN_TIMEOUT_SECONDS);
  const expectedRevision = publish ? (await newestRevision(target)).revision : 0n;
  const { documents, notes, faults } = await ask(target, TopologyService, (hub) =>
    hub.importTopology(request),
  );
  err([...notes.map((note) => `note: ${note}`), ...faults].map((line) => `${printable(line)}\n`).join(""));
  if (dir !== undefined) {
    for (const [name, text] of Object.entries(documents)) await write(join(dir, name), text);
    out(
      Object.keys(documents)
        .map((name) => `${join(dir, name)}\n`)
        .join(""),
    );
    if (faults.length > 0) err(`the documents cannot be published as they are: ${faults.length} FAIL\n`);
    return;
  }
  if (faults.length > 0) throw new CommandFailed(`not published: ${faults.length} FAIL`);
  const answer = await askForChange(target, expectedRevision, (hub) =>
    hub.publishConfig({ documents, expectedRevision, comment }),
  ).catch((error: unknown) => {
    throw refused(out, "table", error);
  });
  showOutcome(out, "table", answer);
  if (!answer.revision) err("nothing to change: the documents say what the brokers have\n");
}

async function write(file: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new CommandFailed(error.message, { cause: error });
  }
}
