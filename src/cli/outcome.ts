import { ConnectError } from "@connectrpc/connect";
import {
  type Change,
  type Finding,
  PublishRefusalSchema,
  type Revision,
} from "../../gen/centralhub/config/v1/release_pb.ts";
import type { RolloutSummary } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import type { Json } from "../documents/render.ts";
import { CommandFailed, printable } from "./command.ts";
import { type Output, show } from "./output.ts";
import {
  changeJson,
  changeLines,
  findingJson,
  findingLines,
  isFail,
  revisionJson,
  shortHash,
  summaryJson,
  summaryText,
  timeText,
  wholeJson,
} from "./release-views.ts";

/** What came of a change. */
export interface Outcome {
  /** Unset after a dry run, and when nothing would change. */
  readonly revision?: Revision | undefined;
  readonly changes: readonly Change[];
  readonly findings: readonly Finding[];
  /** Set when the rollout was waited for. */
  readonly rollout?: RolloutSummary | undefined;
  /** The revision that undid this one; 0 when none did. */
  readonly rolledBackBy?: bigint;
}

/** Prints what came of a change: what it changes, what it gave cause to say, the new revision. */
export function showOutcome(out: (text: string) => void, output: Output, outcome: Outcome): void {
  show(out, output, outcomeJson(outcome), outcomeText(outcome));
}

/** Prints everything that stands in the refusal of a change; returns what to throw then. */
export function refused(out: (text: string) => void, output: Output, error: unknown): unknown {
  if (!(error instanceof CommandFailed)) return error;
  const [refusal] = ConnectError.from(error.cause).findDetails(PublishRefusalSchema);
  if (!refusal) return error;
  showOutcome(out, output, refusal);
  return new CommandFailed(`not published: ${countText(refusal.findings)} (FAILED_PRECONDITION)`, {
    cause: error.cause,
  });
}

/** Such as "1 FAIL, 2 WARN". */
export function countText(findings: readonly Finding[]): string {
  const fails = findings.filter(isFail).length;
  return `${fails} FAIL, ${findings.length - fails} WARN`;
}

function outcomeJson({ revision, changes, findings, rollout, rolledBackBy = 0n }: Outcome): Json {
  return {
    revision: revision ? revisionJson(revision) : null,
    changes: changes.map(changeJson),
    findings: findings.map(findingJson),
    ...(rollout ? { rollout: summaryJson(rollout), rolled_back_by: wholeJson(rolledBackBy) } : {}),
  };
}

function outcomeText({ revision, changes, findings, rollout }: Outcome): string {
  let text = changeLines(changes) + findingLines(findings);
  if (revision) {
    const { author, createTime, hash } = revision;
    text += `revision ${revision.revision}, by ${printable(author)}, ${timeText(createTime)}, hash ${shortHash(hash)}\n`;
  }
  if (rollout) text += `rollout: ${summaryText(rollout)}\n`;
  return text;
}
