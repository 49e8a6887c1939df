import type { Timestamp } from "@bufbuild/protobuf/wkt";
import {
  ErasureAction,
  ErasureActionSchema,
  type ErasureOutcome,
} from "../../gen/centralhub/userdata/v1/userdata_pb.ts";
import { UserDataService } from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { enumName } from "../documents/render.ts";
import { CommandFailed, type Surroundings, UsageError } from "./command.ts";
import { ask, type Target } from "./connection.ts";
import { tableText } from "./table.ts";

/** What is asked for beside the user. */
export interface Erase {
  readonly reason: string | undefined;
  /** Only show what would happen. */
  readonly dryRun: boolean;
  /** Go on without being asked. */
  readonly yes: boolean;
}

/** Shows what an erasure of a user does, and after a yes carries it out. */
export async function eraseUser(
  target: Target,
  userId: string,
  { reason, dryRun, yes }: Erase,
  { out, err, confirm }: Surroundings,
): Promise<void> {
  if (!dryRun && reason === undefined)
    throw new UsageError("data erase: --reason says why, for the audit record");
  if (!dryRun && !yes && !confirm) {
    throw new UsageError(
      "data erase: there is no terminal to ask on; say --yes to go on without being asked",
    );
  }
  const request = { userId, reason: reason ?? "to see what would happen" };
  if (dryRun || !yes) {
    const foreseen = await ask(target, UserDataService, (hub) => hub.eraseUser({ ...request, dryRun: true }));
    if (dryRun) {
      out(outcomesText(foreseen.outcomes));
      return;
    }
    err(outcomesText(foreseen.outcomes));
    const question = `erase ${JSON.stringify(userId)}? What is erased cannot be brought back, and nothing can be saved for this user again`;
    if (!(await confirm?.(question))) throw new CommandFailed("nothing was erased");
  }
  const { outcomes } = await ask(target, UserDataService, (hub) => hub.eraseUser(request));
  out(outcomesText(outcomes));
}

function outcomesText(outcomes: readonly ErasureOutcome[]): string {
  if (outcomes.length === 0) return "the user has, and had, no events\n";
  return tableText({
    columns: ["DATA TYPE", "ACTION", "EVENTS", "UNTIL", "HELD BY"],
    rows: outcomes.map(({ dataType, action, events, untilTime, heldBy }) => [
      dataType,
      enumName(ErasureActionSchema, action),
      String(events),
      action === ErasureAction.RESTRICTED ? untilText(untilTime) : "",
      heldBy.join(", "),
    ]),
  });
}

function untilText(time: Timestamp | undefined): string {
  return time ? `${new Date(Number(time.seconds) * 1000).toISOString().slice(0, 19)}Z` : "no end";
}
