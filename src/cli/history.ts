import type { Revision } from "../../gen/centralhub/config/v1/release_pb.ts";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { readArguments, readNumber, type Surroundings, UsageError } from "./command.ts";
import { ask, readTarget, TARGET_FLAGS, type Target } from "./connection.ts";
import { readOutput, show } from "./output.ts";
import { HISTORY_HELP } from "./release-help.ts";
import { revisionJson, shortHash, timeText } from "./release-views.ts";
import type { Table } from "./table.ts";

const FLAGS = {
  ...TARGET_FLAGS,
  limit: { type: "string" },
  output: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

// The hub reads every document of each for it, within one deadline.
const PAGE_SIZE = 200;

/** `history`: lists revisions, the newest last. */
export async function history(args: readonly string[], { env, out }: Surroundings): Promise<void> {
  const { values, positionals } = readArguments(args, FLAGS);
  if (values.help) return out(HISTORY_HELP);
  if (positionals.length > 0) throw new UsageError(`history: "${positionals[0]}" is one word too many`);
  const limit =
    values.limit === undefined
      ? Number.POSITIVE_INFINITY
      : readNumber("limit", values.limit, { min: 1, max: 1_000_000, whole: true });
  const output = readOutput(values.output);
  const revisions = await newest(readTarget(values, env), limit);
  show(out, output, revisions.map(revisionJson), revisionTable(revisions));
}

// The hub lists from the oldest on, so that the newest are what is left at the end.
async function newest(target: Target, limit: number): Promise<Revision[]> {
  let revisions: Revision[] = [];
  let pageToken = "";
  do {
    const request = { pageSize: PAGE_SIZE, pageToken };
    const page = await ask(target, ReleaseService, (hub) => hub.listRevisions(request));
    revisions.push(...page.revisions);
    if (revisions.length > limit) revisions = revisions.slice(-limit);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return revisions;
}

function revisionTable(revisions: readonly Revision[]): Table {
  return {
    columns: ["REVISION", "TIME", "AUTHOR", "COMMENT", "HASH", "ROLLBACK OF"],
    rows: revisions.map(({ revision, createTime, author, comment, hash, rollbackOf }) => [
      `${revision}`,
      timeText(createTime),
      author,
      comment,
      shortHash(hash),
      rollbackOf === 0n ? "" : `${rollbackOf}`,
    ]),
  };
}
