import { setTimeout as sleep } from "node:timers/promises";
import { StepOutcome } from "../../gen/centralhub/topology/v1/topology_pb.ts";
import { HubError } from "../errors.ts";
import { inspect, ownedBy, request, type Writers } from "./carry-out.ts";
import type { PlannedChange, TopologySystem } from "./change.ts";
import type { ApplyLease, OwnershipRecords } from "./ports.ts";

/** What one step may take, and how long its result may take to be seen; in milliseconds. */
const STEP_MS = 30_000;
const VISIBLE_MS = 10_000;
const LOOK_AGAIN_MS = 50;

/** What a step needs beside its change. */
export interface StepContext {
  readonly writers: Writers;
  readonly clusterIds: Partial<Readonly<Record<TopologySystem, string>>>;
  readonly ownership: OwnershipRecords;
  /** Asked each time anew: what a process that was held still has missed is told by the asking. */
  readonly lease: Pick<ApplyLease, "lost">;
}

/** How a step went. */
export interface StepResult {
  readonly outcome: StepOutcome;
  /** For people; empty when all went well. */
  readonly message: string;
}

/**
 * Carries out one change: looks once more, asks for it, and looks whether it is there. What fails comes back as a
 * result; a step that has begun is seen through.
 */
export async function takeStep(planned: PlannedChange, context: StepContext): Promise<StepResult> {
  const { act } = planned;
  if (!act) return { outcome: StepOutcome.SKIPPED, message: planned.change.impossibleReason };
  const signal = AbortSignal.timeout(STEP_MS);
  try {
    const found = await inspect(act, context.writers, signal);
    if (found.isDone) return { outcome: StepOutcome.ALREADY_DONE, message: "" };
    if (found.fingerprint(planned.aspect) !== planned.before) {
      return failed("it has been changed since the plan; plan again");
    }
    if (context.lease.lost.aborted) return failed("the lock was lost before this step; plan again");
    await askFor(planned, context, signal);
    const incarnation = await seenDone(planned, context);
    return { outcome: StepOutcome.DONE, message: await keepOwned(planned, incarnation, context) };
  } catch (error) {
    if (error instanceof HubError) return failed(error.message);
    throw error;
  }
}

function failed(message: string): StepResult {
  return { outcome: StepOutcome.FAILED, message };
}

// Whoever does not answer may have done it all the same.
async function askFor({ act }: PlannedChange, { writers }: StepContext, signal: AbortSignal): Promise<void> {
  if (!act) return;
  try {
    await request(act, writers, signal);
  } catch (error) {
    if (!(error instanceof HubError) || error.reason !== "BROKER_UNAVAILABLE") throw error;
    const found = await inspect(act, writers, AbortSignal.timeout(VISIBLE_MS)).catch(() => undefined);
    if (!found?.isDone) throw error;
  }
}

// A broker tells of a change a moment after it has taken it.
async function seenDone({ act }: PlannedChange, { writers }: StepContext): Promise<string> {
  if (!act) return "";
  const signal = AbortSignal.timeout(VISIBLE_MS);
  for (;;) {
    const found = await inspect(act, writers, signal);
    if (found.isDone) return found.incarnation;
    if (signal.aborted) {
      throw new HubError("BROKER_REFUSED", "the broker took it, and does not show it; look at the broker");
    }
    await sleep(LOOK_AGAIN_MS);
  }
}

async function keepOwned(
  { act, change }: PlannedChange,
  incarnation: string,
  { clusterIds, ownership }: StepContext,
): Promise<string> {
  const clusterId = clusterIds[change.system as TopologySystem] ?? "";
  const owned = act && ownedBy(act, clusterId, incarnation);
  if (!owned) return "";
  try {
    await (owned.isMade ? ownership.record(owned.resource) : ownership.forget(owned.resource));
    return "";
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    return `it is done; that the hub ${owned.isMade ? "made" : "removed"} it could not be noted: ${error.message}`;
  }
}
