import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { CommandFailed, readArguments, readNumber, type Surroundings, UsageError } from "./command.ts";
import { readTarget, TARGET_FLAGS, type Target } from "./connection.ts";
import { countText, type Outcome, refused, showOutcome } from "./outcome.ts";
import { readOutput } from "./output.ts";
import { type Documents, readDocuments } from "./publish-files.ts";
import { PUBLISH_HELP } from "./release-help.ts";
import { isFail, summaryText } from "./release-views.ts";
import { askForChange, need, newestRevision, readExpected } from "./releases.ts";

const FLAGS = {
  ...TARGET_FLAGS,
  root: { type: "string" },
  remove: { type: "string", multiple: true },
  "expected-revision": { type: "string" },
  comment: { type: "string" },
  "dry-run": { type: "boolean" },
  "wait-share": { type: "string" },
  "wait-service": { type: "string" },
  "wait-timeout": { type: "string" },
  "rollback-on-rejections": { type: "string" },
  output: { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

const WAIT_FLAGS = ["wait-share", "wait-service", "wait-timeout", "rollback-on-rejections"] as const;
const WAIT_DEFAULT_SECONDS = 30;

type Values = { readonly [Name in (typeof WAIT_FLAGS)[number]]?: string | undefined };

interface Wait {
  readonly service: string;
  readonly share: number;
  readonly timeoutSeconds: number;
  readonly rollbackOnRejections: number;
}

/** `publish`: changes documents as one revision, or says what would come of it. */
export async function publish(args: readonly string[], { env, out, err }: Surroundings): Promise<void> {
  const { values, positionals } = readArguments(args, FLAGS);
  if (values.help) return out(PUBLISH_HELP);
  const removedFiles = values.remove ?? [];
  if (positionals.length === 0 && removedFiles.length === 0) {
    throw new UsageError("publish: name files or a directory, or say --remove");
  }
  const given = need("publish", "expected-revision", values["expected-revision"], "a revision, or current");
  const known = readExpected(given);
  const dryRun = values["dry-run"] ?? false;
  const comment = dryRun ? (values.comment ?? "") : need("publish", "comment", values.comment, "why");
  const wait = readWait(values);
  if (wait && dryRun) throw new UsageError("publish: --dry-run publishes nothing that could be waited for");
  const output = readOutput(values.output);
  const target = readTarget(values, env);

  const documents = await readDocuments(positionals, values.root);
  const expectedRevision = known ?? (await newestRevision(target)).revision;
  const request = {
    documents: documents.texts,
    removedFiles,
    expectedRevision,
    comment,
    dryRun,
    ...(wait ? { wait: { ...wait, timeout: durationFromMs(Math.round(wait.timeoutSeconds * 1000)) } } : {}),
  };
  const patient = { ...target, timeoutSeconds: target.timeoutSeconds + (wait?.timeoutSeconds ?? 0) };
  const answer = await askForChange(patient, expectedRevision, (hub) => hub.publishConfig(request)).catch(
    (error: unknown) => {
      throw withRoot(refused(out, output, error), documents);
    },
  );
  showOutcome(out, output, answer);
  conclude(answer, { expectedRevision, dryRun, wait, target, err });
}

function readWait(values: Values): Wait | undefined {
  if (WAIT_FLAGS.every((flag) => values[flag] === undefined)) return undefined;
  const share = readNumber("wait-share", values["wait-share"] ?? "1", { min: 0, max: 1 });
  if (share === 0) throw new UsageError("--wait-share takes a number over 0, at most 1");
  const seconds = values["wait-timeout"] ?? `${WAIT_DEFAULT_SECONDS}`;
  const rejections = values["rollback-on-rejections"] ?? "0";
  return {
    share,
    service: values["wait-service"] ?? "",
    timeoutSeconds: readNumber("wait-timeout", seconds, { min: 0, max: 300 }),
    rollbackOnRejections: readNumber("rollback-on-rejections", rejections, {
      min: 0,
      max: 100_000,
      whole: true,
    }),
  };
}

// What else there is to say, and whether all went as it should. Throws CommandFailed when it did not.
function conclude(
  { revision, findings, rollout, rolledBackBy = 0n, changes }: Outcome,
  context: {
    readonly expectedRevision: bigint;
    readonly dryRun: boolean;
    readonly wait: Wait | undefined;
    readonly target: Target;
    readonly err: (text: string) => void;
  },
): void {
  const { expectedRevision, dryRun, wait, err } = context;
  if (dryRun && findings.some(isFail)) {
    throw new CommandFailed(`dry run: this would not be published: ${countText(findings)}`);
  }
  if (changes.length === 0)
    err(`nothing to change: the documents are those of revision ${expectedRevision}\n`);
  else if (dryRun) err(`dry run: nothing was published; ${countText(findings)}\n`);
  if (rolledBackBy !== 0n) {
    const rejections = rollout ? `${rollout.rejected} rejected it` : "it was rejected";
    throw new CommandFailed(
      `revision ${revision?.revision} was rolled back by revision ${rolledBackBy}: ${rejections}`,
    );
  }
  if (wait && rollout && wait.rollbackOnRejections > 0 && rollout.rejected >= wait.rollbackOnRejections) {
    throw new CommandFailed(
      `revision ${revision?.revision} is published, and not rolled back: ${summaryText(rollout)}`,
    );
  }
  if (wait && rollout && !rollout.reached) {
    throw new CommandFailed(
      `revision ${revision?.revision} is published, but not applied by ${wait.share * 100} % of the live instances ` +
        `within ${wait.timeoutSeconds} s: ${summaryText(rollout)}`,
    );
  }
}

// A name that is not a document's comes mostly from another root than the one that was meant.
function withRoot(error: unknown, { roots }: Documents): unknown {
  if (!(error instanceof CommandFailed) || roots.length === 0) return error;
  const { code, rawMessage } = ConnectError.from(error.cause);
  if (code !== Code.InvalidArgument || !rawMessage.startsWith("documents:")) return error;
  const hint = `names are relative to ${roots.join(", ")}; --root says otherwise`;
  return new CommandFailed(`${error.message}; ${hint}`, { cause: error.cause });
}
