import { readArguments, readRevision, type Surroundings, UsageError } from "./command.ts";
import { readTarget, TARGET_FLAGS } from "./connection.ts";
import { refused, showOutcome } from "./outcome.ts";
import { readOutput } from "./output.ts";
import { ROLLBACK_HELP } from "./release-help.ts";
import { askForChange, need, newestRevision, readExpected } from "./releases.ts";

const FLAGS = {
  ...TARGET_FLAGS,
  "expected-revision": { type: "string" },
  comment: { type: "string" },
  output: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** `rollback REVISION`: publishes the documents of an earlier revision as a new one. */
export async function rollback(args: readonly string[], { env, out, err }: Surroundings): Promise<void> {
  const { values, positionals } = readArguments(args, FLAGS);
  if (values.help) return out(ROLLBACK_HELP);
  const [text, ...more] = positionals;
  if (text === undefined) throw new UsageError("rollback: name the revision to go back to");
  if (more.length > 0) throw new UsageError(`rollback: "${more[0]}" is one word too many`);
  const targetRevision = readRevision(text, "rollback");
  const comment = need("rollback", "comment", values.comment, "why");
  const known = readExpected(values["expected-revision"] ?? "current");
  const output = readOutput(values.output);
  const target = readTarget(values, env);

  const expectedRevision = known ?? (await newestRevision(target)).revision;
  const request = { targetRevision, expectedRevision, comment };
  const answer = await askForChange(target, expectedRevision, (hub) => hub.rollbackConfig(request)).catch(
    (error: unknown) => {
      throw refused(out, output, error);
    },
  );
  showOutcome(out, output, answer);
  if (!answer.revision) err(`nothing to change: revision ${expectedRevision} has the same documents\n`);
}
