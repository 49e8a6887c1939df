import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { CommandFailed, readArguments, readRevision, type Surroundings, UsageError } from "./command.ts";
import { ask, readTarget, TARGET_FLAGS } from "./connection.ts";
import { readOutput, show } from "./output.ts";
import { DIFF_HELP } from "./release-help.ts";
import { changeJson, changeLines, revisionJson } from "./release-views.ts";

const FLAGS = {
  ...TARGET_FLAGS,
  output: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** `diff [FROM] [TO]`: shows what changed between two revisions. */
export async function diff(args: readonly string[], { env, out, err }: Surroundings): Promise<void> {
  const { values, positionals } = readArguments(args, FLAGS);
  if (values.help) return out(DIFF_HELP);
  const [before, after, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`diff: "${more[0]}" is one word too many`);
  const fromRevision = before === undefined ? 0n : readRevision(before, "diff");
  const toRevision = after === undefined ? 0n : readRevision(after, "diff");
  const output = readOutput(values.output);
  const target = readTarget(values, env);

  const request = { fromRevision, toRevision };
  const { from, to, changes } = await ask(target, ReleaseService, (hub) => hub.diffRevisions(request));
  if (!from || !to) throw new CommandFailed(`${target.url} does not say which revisions it compared`);
  const count = changes.length === 1 ? "1 difference" : `${changes.length} differences`;
  err(`from revision ${from.revision} to ${to.revision}: ${count}\n`);
  const data = { from: revisionJson(from), to: revisionJson(to), changes: changes.map(changeJson) };
  show(out, output, data, changeLines(changes));
}
