import { type Timestamp, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Change,
  ChangeKind,
  type Finding,
  FindingSeverity,
  type InstanceState,
  type Revision,
  RolloutState,
} from "../../gen/centralhub/config/v1/release_pb.ts";
import type { RolloutSummary } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { formatFinding } from "../documents/findings.ts";
import type { Json } from "../documents/render.ts";
import { printable } from "./command.ts";

const CHANGE_NAMES: Readonly<Record<ChangeKind, string>> = {
  [ChangeKind.UNSPECIFIED]: "",
  [ChangeKind.ADDED]: "added",
  [ChangeKind.REMOVED]: "removed",
  [ChangeKind.CHANGED]: "changed",
};

const CHANGE_MARKS: Readonly<Record<ChangeKind, string>> = {
  [ChangeKind.UNSPECIFIED]: "?",
  [ChangeKind.ADDED]: "+",
  [ChangeKind.REMOVED]: "-",
  [ChangeKind.CHANGED]: "~",
};

const STATE_NAMES: Readonly<Record<RolloutState, string>> = {
  [RolloutState.UNSPECIFIED]: "",
  [RolloutState.APPLIED]: "applied",
  [RolloutState.REJECTED]: "rejected",
  [RolloutState.BEHIND]: "behind",
  [RolloutState.SILENT]: "silent",
};

// How a release looks: as JSON for programs, where numbers are numbers and times are text, and as lines for people.

/** A revision without its documents. */
export function revisionJson(revision: Revision): Json {
  return {
    revision: wholeJson(revision.revision),
    epoch: revision.epoch,
    create_time: timeText(revision.createTime),
    author: revision.author,
    comment: revision.comment,
    rollback_of: wholeJson(revision.rollbackOf),
    previous_hash: revision.previousHash,
    hash: revision.hash,
  };
}

/** A difference with its values as such; a value that is not there is left out. */
export function changeJson({ file, path, kind, before, after, summary }: Change): Json {
  return {
    file,
    path,
    kind: CHANGE_NAMES[kind] ?? "",
    ...(before === "" ? {} : { before: valueJson(before) }),
    ...(after === "" ? {} : { after: valueJson(after) }),
    summary,
  };
}

export function findingJson(finding: Finding): Json {
  const { rule, file, path, line, message, remedy } = finding;
  return { severity: severityText(finding), rule, file, path, line, message, remedy };
}

export function instanceJson(instance: InstanceState): Json {
  return {
    service: instance.service,
    instance: instance.instance,
    state: stateText(instance),
    applied_revision: wholeJson(instance.appliedRevision),
    last_seen_time: timeText(instance.lastSeenTime),
    error: instance.error,
  };
}

export function summaryJson({ reached, applied, rejected, behind, silent }: RolloutSummary): Json {
  return { reached, applied, rejected, behind, silent };
}

/** One line for each difference, as `diff` marks them: + came, - went, ~ is another. */
export function changeLines(changes: readonly Change[]): string {
  return changes.map(({ kind, summary }) => `${CHANGE_MARKS[kind] ?? "?"} ${printable(summary)}\n`).join("");
}

/** One line for each finding, as `validate` prints them. */
export function findingLines(findings: readonly Finding[]): string {
  return findings.map((finding) => `${printable(findingText(finding))}\n`).join("");
}

/** Whether a finding keeps the documents from being published. */
export function isFail({ severity }: Finding): boolean {
  return severity === FindingSeverity.FAIL;
}

/** Such as "2 applied, 1 rejected, 0 behind, 0 silent". */
export function summaryText({ applied, rejected, behind, silent }: RolloutSummary): string {
  return `${applied} applied, ${rejected} rejected, ${behind} behind, ${silent} silent`;
}

export function stateText({ state }: InstanceState): string {
  return STATE_NAMES[state] ?? "";
}

/** A time by the second, such as "2026-01-31T12:00:00Z"; empty when there is none. */
export function timeText(time: Timestamp | undefined): string {
  return time ? new Date(timestampMs(time)).toISOString().replace(/\.\d+Z$/, "Z") : "";
}

/** As much of a hash as people compare. */
export function shortHash(hash: string): string {
  return hash.slice(0, 12);
}

/** A whole number as a number where JSON keeps it exact. */
export function wholeJson(value: bigint): number | string {
  return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
}

function findingText(finding: Finding): string {
  const text = formatFinding({ ...finding, severity: severityText(finding) });
  // What is of no document has no line either.
  return finding.file === "" ? text.replace(/^:\d+: /, "") : text;
}

function severityText(finding: Finding): "FAIL" | "WARN" {
  return isFail(finding) ? "FAIL" : "WARN";
}

function valueJson(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}
