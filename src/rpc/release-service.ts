import { durationMs } from "@bufbuild/protobuf/wkt";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import type { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import type { AuditLog } from "../config/audit.ts";
import type { ReleaseDesk } from "../config/release-desk.ts";
import type { RolloutBoard } from "../config/rollout-board.ts";
import type { Finding } from "../documents/findings.ts";
import { HubError, reasonOf } from "../errors.ts";
import { callerKey, requestIdKey } from "./call-context.ts";
import {
  changeMessage,
  findingMessage,
  revisionMessage,
  standingMessage,
  tallyMessage,
  wholeRevisionMessage,
} from "./release-messages.ts";
import { untilHubStops } from "./stream-end.ts";

const PAGE_DEFAULT = 50;
const PAGE_MAX = 1000;
const WAIT_DEFAULT_MS = 30_000;

/** ReleaseService over the desk that publishes and the board that shows how far a revision has come. */
export function releaseService(
  desk: ReleaseDesk,
  board: RolloutBoard,
  audit: AuditLog,
): ServiceImpl<typeof ReleaseService> {
  return {
    publishConfig: async (request, context) => {
      const { expectedRevision, comment, dryRun, wait, removedFiles } = request;
      const documents = new Map(Object.entries(request.documents));
      const author = context.values.get(callerKey).subject;
      const proposal = { documents, removedFiles, expectedRevision, author, comment };
      const expected = wait ? board.live(wait.service) : new Set<string>();
      const publish = () => desk.publish(proposal, dryRun);
      const { entry, changes, findings } = dryRun
        ? await publish()
        : await audited(audit, context, "publish", publish);
      const answer = {
        ...(entry ? { revision: revisionMessage(entry) } : {}),
        changes: changes.map(changeMessage),
        findings: findings.map(findingMessage),
      };
      if (!entry || !wait) return answer;
      const share = wait.share || 1;
      const rejectionsMax = wait.rollbackOnRejections;
      const timeoutMs = wait.timeout ? durationMs(wait.timeout) : WAIT_DEFAULT_MS;
      const tally = await board.wait(
        entry.revision,
        { service: wait.service, share, timeoutMs, rejectionsMax, expected },
        // The safeguard outlives a caller who does not wait for the end.
        rejectionsMax > 0 ? untilHubStops(context.signal) : context.signal,
      );
      const rollout = tallyMessage(tally);
      if (rejectionsMax === 0 || tally.rejected < rejectionsMax) return { ...answer, rollout };
      const reason = `${tally.rejected} instances rejected revision ${entry.revision}`;
      const undo = () =>
        desk.rollback(entry.revision - 1n, entry.revision, author, `rolled back by the hub: ${reason}`);
      const undone = await audited(audit, context, "rollback", undo).catch(notUndone(reason));
      if ("rule" in undone)
        return { ...answer, findings: [...answer.findings, findingMessage(undone)], rollout };
      return { ...answer, rollout, rolledBackBy: undone.entry?.revision ?? 0n };
    },

    listRevisions: async ({ pageSize, pageToken }) => {
      const after = readToken(pageToken);
      const size = Math.min(pageSize || PAGE_DEFAULT, PAGE_MAX);
      const { entries, more } = await desk.list(after, size);
      const last = entries.at(-1);
      return {
        revisions: entries.map(revisionMessage),
        nextPageToken: more && last ? writeToken(last.revision) : "",
      };
    },

    getRevision: async ({ revision }) => ({ revision: wholeRevisionMessage(await desk.get(revision)) }),

    diffRevisions: async ({ fromRevision, toRevision }) => {
      const { from, to, changes } = await desk.diff(fromRevision, toRevision);
      return { from: revisionMessage(from), to: revisionMessage(to), changes: changes.map(changeMessage) };
    },

    rollbackConfig: async ({ targetRevision, expectedRevision, comment }, context) => {
      const author = context.values.get(callerKey).subject;
      const rollback = () => desk.rollback(targetRevision, expectedRevision, author, comment);
      const { entry, changes, findings } = await audited(audit, context, "rollback", rollback);
      return {
        ...(entry ? { revision: revisionMessage(entry) } : {}),
        changes: changes.map(changeMessage),
        findings: findings.map(findingMessage),
      };
    },

    getRollout: async ({ revision, service }) => {
      const entry = await desk.get(revision);
      const standings = await board.history(entry.revision, service);
      return {
        revision: revisionMessage(entry),
        instances: standings.map(standingMessage),
        summary: tallyMessage(board.tally(standings, 1)),
      };
    },
  };
}

// What was done, or tried, is on record before the caller hears of it.
async function audited<Result extends { entry: { revision: bigint } | undefined }>(
  audit: AuditLog,
  context: HandlerContext,
  action: string,
  act: () => Promise<Result>,
): Promise<Result> {
  const record = {
    action,
    caller: context.values.get(callerKey).subject,
    requestId: context.values.get(requestIdKey),
  };
  try {
    const result = await act();
    await audit.write({ ...record, outcome: "done", revision: String(result.entry?.revision ?? "") });
    return result;
  } catch (error) {
    await audit.write({ ...record, outcome: reasonOf(error), revision: "" });
    throw error;
  }
}

// The publish has been done all the same, and an error would say that nothing has changed.
function notUndone(rejections: string): (error: unknown) => Finding {
  return (error) => {
    if (!(error instanceof HubError)) throw error;
    return {
      severity: "WARN",
      rule: "release.not_rolled_back",
      file: "",
      path: "",
      line: 1,
      message: `${rejections}, and the hub could not roll it back: ${error.message}`,
      remedy: "look at the newest revision, and roll back by hand where it is needed",
    };
  };
}

function writeToken(after: bigint): string {
  return Buffer.from(`r${after}`).toString("base64url");
}

function readToken(token: string): bigint {
  if (!token) return 0n;
  const [, after] = /^r(\d{1,18})$/.exec(Buffer.from(token, "base64url").toString("utf8")) ?? [];
  if (after === undefined)
    throw new HubError("INVALID_REQUEST", "page_token: is not one that this hub gave; start without one");
  return BigInt(after);
}
