import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  ChangeKind,
  type ChangeSchema,
  type FindingSchema,
  FindingSeverity,
  type InstanceStateSchema,
  PublishRefusalSchema,
  type RevisionSchema,
  RolloutState,
} from "../../gen/centralhub/config/v1/release_pb.ts";
import type { RolloutSummarySchema } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { type Change, describeChange } from "../config/changes.ts";
import type { DocumentsRefused } from "../config/release-desk.ts";
import type { RevisionEntry, RevisionSummary } from "../config/revision-log.ts";
import type { InstanceState } from "../config/rollout.ts";
import type { Standing, Tally } from "../config/rollout-board.ts";
import type { Finding } from "../documents/findings.ts";

const KINDS: Record<Change["kind"], ChangeKind> = {
  added: ChangeKind.ADDED,
  removed: ChangeKind.REMOVED,
  changed: ChangeKind.CHANGED,
};

const STATES: Record<InstanceState, RolloutState> = {
  applied: RolloutState.APPLIED,
  rejected: RolloutState.REJECTED,
  behind: RolloutState.BEHIND,
  silent: RolloutState.SILENT,
};

/** A revision for the wire, without its documents. */
export function revisionMessage(
  summary: RevisionSummary | RevisionEntry,
): MessageInitShape<typeof RevisionSchema> {
  const { time, ...rest } = summary;
  return { ...rest, createTime: timestampFromMs(time), documents: {} };
}

/** A revision for the wire, with its documents. */
export function wholeRevisionMessage(entry: RevisionEntry): MessageInitShape<typeof RevisionSchema> {
  return { ...revisionMessage(entry), documents: Object.fromEntries(entry.documents) };
}

export function changeMessage(change: Change): MessageInitShape<typeof ChangeSchema> {
  return { ...change, kind: KINDS[change.kind], summary: describeChange(change) };
}

export function findingMessage(finding: Finding): MessageInitShape<typeof FindingSchema> {
  return { ...finding, severity: FindingSeverity[finding.severity] };
}

/** Where an instance is. */
export function standingMessage({
  instance,
  state,
  error,
}: Standing): MessageInitShape<typeof InstanceStateSchema> {
  return {
    service: instance.service,
    instance: instance.instance,
    state: STATES[state],
    appliedRevision: instance.applied?.revision ?? 0n,
    error,
    lastSeenTime: timestampFromMs(instance.lastSeen),
  };
}

export function tallyMessage(tally: Tally): MessageInitShape<typeof RolloutSummarySchema> {
  return { ...tally };
}

/** What travels with a refusal. */
export function refusalMessage({ findings, changes }: DocumentsRefused) {
  return create(PublishRefusalSchema, {
    findings: findings.map(findingMessage),
    changes: changes.map(changeMessage),
  });
}
