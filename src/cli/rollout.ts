import type { InstanceState } from "../../gen/centralhub/config/v1/release_pb.ts";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { CommandFailed, readArguments, readRevision, type Surroundings, UsageError } from "./command.ts";
import { ask, readTarget, TARGET_FLAGS } from "./connection.ts";
import { readOutput, show } from "./output.ts";
import { ROLLOUT_HELP } from "./release-help.ts";
import {
  instanceJson,
  revisionJson,
  stateText,
  summaryJson,
  summaryText,
  timeText,
} from "./release-views.ts";
import { type Table, tableText } from "./table.ts";

const FLAGS = {
  ...TARGET_FLAGS,
  service: { type: "string" },
  output: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** `rollout [REVISION]`: shows which instances have applied a revision. */
export async function rollout(args: readonly string[], { env, out }: Surroundings): Promise<void> {
  const { values, positionals } = readArguments(args, FLAGS);
  if (values.help) return out(ROLLOUT_HELP);
  const [text, ...more] = positionals;
  if (more.length > 0) throw new UsageError(`rollout: "${more[0]}" is one word too many`);
  const request = {
    revision: text === undefined ? 0n : readRevision(text, "rollout"),
    service: values.service ?? "",
  };
  const output = readOutput(values.output);
  const target = readTarget(values, env);

  const answer = await ask(target, ReleaseService, (hub) => hub.getRollout(request));
  const { revision, instances, summary } = answer;
  if (!revision || !summary) throw new CommandFailed(`${target.url} does not say how far the revision is`);
  const data = {
    revision: revisionJson(revision),
    instances: instances.map(instanceJson),
    summary: summaryJson(summary),
  };
  const done = summary.reached && summary.applied > 0 ? "; all that are connected run on it" : "";
  const line = `revision ${revision.revision}: ${summaryText(summary)}${done}\n`;
  show(out, output, data, tableText(instanceTable(instances)) + line);
}

function instanceTable(instances: readonly InstanceState[]): Table {
  return {
    columns: ["SERVICE", "INSTANCE", "STATE", "APPLIED", "LAST SEEN", "ERROR"],
    rows: instances.map((instance) => [
      instance.service,
      instance.instance,
      stateText(instance),
      instance.appliedRevision === 0n ? "" : `${instance.appliedRevision}`,
      timeText(instance.lastSeenTime),
      instance.error,
    ]),
  };
}
