import { setTimeout as sleep } from "node:timers/promises";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { FindingType } from "../../gen/centralhub/health/v1/health_pb.ts";
import {
  ChangeAction,
  ChangeRisk,
  StepOutcome,
  type TopologyChange,
} from "../../gen/centralhub/topology/v1/topology_pb.ts";
import type { ApplyTopologyResponseSchema } from "../../gen/centralhub/topology/v1/topology_service_pb.ts";
import type { AuditLog, AuditRecord } from "../config/audit.ts";
import { HubError, reasonOf } from "../errors.ts";
import { matchPlan, planStale, type Step } from "./match.ts";
import { fingerprintIn } from "./observation.ts";
import type { ApplyLease } from "./ports.ts";
import { takeStep } from "./stepping.ts";
import { listed } from "./texts.ts";
import { type PlanToken, readToken } from "./token.ts";
import type { Planned, Topology } from "./topology.ts";
import { OpenWriters } from "./writers.ts";

/** Asks for a plan to be carried out. */
export interface ApplyRequest {
  readonly token: string;
  readonly acceptDestructive: boolean;
  readonly lockWaitMs: number;
}

/** Who asks. */
export interface ApplyCaller {
  readonly subject: string;
  readonly requestId: string;
}

export type ApplyEvent = MessageInitShape<typeof ApplyTopologyResponseSchema>;
type Finished = Record<"done" | "alreadyDone" | "skipped" | "failed", number>;

/** Ages are reckoned as of the plan's making, so a plan is good for a day. */
const PLAN_MAX_AGE_MS = 86_400_000;
const OUTCOMES: Partial<Readonly<Record<StepOutcome, string>>> = {
  [StepOutcome.DONE]: "DONE",
  [StepOutcome.ALREADY_DONE]: "ALREADY_DONE",
  [StepOutcome.SKIPPED]: "SKIPPED",
  [StepOutcome.FAILED]: "FAILED",
};
/** How often brokers are looked at in the end, which may take a moment to tell of the last change. */
const LAST_LOOKS = 4;
const LAST_LOOK_WAIT_MS = 250;

/**
 * Carries out one plan. `emit` is told of everything as it goes. When the signal is aborted the step under way is
 * seen through, and none is begun after it.
 */
export class Apply {
  readonly #topology: Topology;
  readonly #audit: AuditLog;
  readonly #emit: (event: ApplyEvent) => void;
  readonly #signal: AbortSignal;
  readonly #outcomes: string[] = [];

  constructor(topology: Topology, audit: AuditLog, emit: (event: ApplyEvent) => void, signal: AbortSignal) {
    this.#topology = topology;
    this.#audit = audit;
    this.#emit = emit;
    this.#signal = signal;
  }

  /**
   * Throws INVALID_REQUEST, PLAN_STALE, PLAN_DESTRUCTIVE, APPLY_RUNNING, NOT_CONFIGURED, BROKER_UNAVAILABLE and
   * LOG_UNAVAILABLE, all of them before anything has changed. What is done, or refused, is on record.
   */
  async run(request: ApplyRequest, { subject, requestId }: ApplyCaller): Promise<void> {
    const record = { action: "apply", caller: subject, requestId, revision: "" };
    try {
      const token = readToken(request.token);
      record.revision = String(token.revision);
      const holder = requestId ? `${subject} (request ${requestId})` : subject;
      const { lock } = this.#topology.parts.ports;
      const lease = await lock.acquire(holder, request.lockWaitMs, this.#signal);
      const last = await this.#underLock(token, request.acceptDestructive, lease, record).finally(() =>
        lease.release(),
      );
      // Who hears of the end may begin the next one.
      this.#emit(last);
    } catch (error) {
      const outcome = this.#signal.aborted ? "left" : reasonOf(error);
      await this.#audit.write({ ...record, outcome, changes: this.#outcomes });
      throw error;
    }
  }

  async #underLock(
    token: PlanToken,
    acceptDestructive: boolean,
    lease: ApplyLease,
    record: Omit<AuditRecord, "outcome">,
  ): Promise<ApplyEvent> {
    const planned = await this.#planAgain(token);
    const now = fingerprintIn.bind(undefined, planned.observed);
    const steps = matchPlan(token, planned.plan, now);
    if (!acceptDestructive) refuseDestructive(steps);
    // Who is gone before anything has changed wants nothing changed any more.
    this.#signal.throwIfAborted();
    await this.#audit.write({ ...record, outcome: "begun", changes: steps.map(({ change }) => change.id) });
    this.#emit({ event: { case: "started", value: { steps: steps.length } } });
    const writers = new OpenWriters(this.#topology.parts);
    const counts: Finished = { done: 0, alreadyDone: 0, skipped: 0, failed: 0 };
    try {
      const { ownership } = this.#topology.parts.ports;
      const context = { writers, clusterIds: planned.clusterIds, ownership, lease };
      for (const [index, step] of steps.entries()) {
        await this.#step(step, index + 1, counts, context);
      }
    } finally {
      await writers.close();
    }
    const converged = counts.failed === 0 && !this.#signal.aborted && (await this.#hasConverged(token));
    const outcome = this.#signal.aborted ? "left" : counts.failed > 0 ? "failed" : "done";
    await this.#audit.write({ ...record, outcome, changes: this.#outcomes });
    return { event: { case: "finished", value: { ...counts, converged } } };
  }

  async #planAgain(token: PlanToken): Promise<Planned> {
    const age = Date.now() - token.time;
    if (age > PLAN_MAX_AGE_MS || age < -PLAN_MAX_AGE_MS) throw planStale(["it was made more than a day ago"]);
    const refuseIfMoved = (): void => {
      const moved = this.#topology.movedSince(token);
      if (moved !== "") throw planStale([moved]);
    };
    refuseIfMoved();
    const planned = await this.#topology.planFor(token.options, token.time);
    refuseIfMoved();
    for (const [system, id] of Object.entries(planned.clusterIds)) {
      const before = token.clusterIds[system as keyof typeof token.clusterIds];
      if (before !== id) throw planStale([`${system}: the cluster was ${before} and is ${id}`]);
    }
    return planned;
  }

  async #step(
    step: Step,
    number: number,
    counts: Finished,
    context: Parameters<typeof takeStep>[1],
  ): Promise<void> {
    const { change } = step;
    if (step.state === "impossible") {
      return this.#end(change, number, StepOutcome.SKIPPED, change.impossibleReason, counts);
    }
    if (step.state === "done") return this.#end(change, number, StepOutcome.ALREADY_DONE, "", counts);
    const stop = this.#whyStop(context.lease.lost);
    if (stop !== "") return this.#end(change, number, StepOutcome.SKIPPED, stop, counts);
    this.#emit(stepEvent(change, number, StepOutcome.STARTED, ""));
    const { outcome, message } = await takeStep(step.planned, context);
    this.#end(change, number, outcome, message, counts);
  }

  #whyStop(lost: AbortSignal): string {
    if (lost.aborted) return "the lock was lost, so another apply may run; plan again";
    return this.#signal.aborted ? "the caller is gone, or the hub stops" : "";
  }

  #end(
    change: TopologyChange,
    number: number,
    outcome: StepOutcome,
    message: string,
    counts: Finished,
  ): void {
    this.#outcomes.push(`${change.id} ${OUTCOMES[outcome] ?? ""}${message ? `: ${message}` : ""}`);
    if (outcome === StepOutcome.DONE) counts.done += 1;
    else if (outcome === StepOutcome.ALREADY_DONE) counts.alreadyDone += 1;
    else if (outcome === StepOutcome.FAILED) counts.failed += 1;
    else counts.skipped += 1;
    this.#emit(stepEvent(change, number, outcome, message));
  }

  // A broker that can no longer be seen is not known to be as declared.
  async #hasConverged(token: PlanToken): Promise<boolean> {
    try {
      for (let looks = 1; ; looks++) {
        const { plan } = await this.#topology.planFor(token.options, Date.now());
        const open = plan.changes.filter(({ change }) => change.action !== ChangeAction.IMPOSSIBLE);
        const isHidden = plan.findings.some(({ type }) => type === FindingType.NOT_VISIBLE);
        if (!isHidden && open.every(({ change }) => isNextStep(change, token))) return true;
        if (looks === LAST_LOOKS) return false;
        await sleep(LAST_LOOK_WAIT_MS);
      }
    } catch (error) {
      if (error instanceof HubError) return false;
      throw error;
    }
  }
}

// Retention that goes down step by step has the rest of its way before it.
function isNextStep({ id, risk, action }: TopologyChange, { changes }: PlanToken): boolean {
  const isPlanned = changes.some(([planned]) => planned === id);
  return isPlanned && risk === ChangeRisk.DESTRUCTIVE && action === ChangeAction.ALTER;
}

function stepEvent(
  change: TopologyChange,
  number: number,
  outcome: StepOutcome,
  message: string,
): ApplyEvent {
  return { event: { case: "step", value: { change, number, outcome, message } } };
}

function refuseDestructive(steps: readonly Step[]): void {
  const destructive = steps
    .filter(({ state, change }) => state === "open" && change.risk === ChangeRisk.DESTRUCTIVE)
    .map(({ change }) => change.id);
  if (destructive.length === 0) return;
  const text = `data would go by ${listed(destructive)}; set accept_destructive (--accept-destructive on the command line) to have it so`;
  throw new HubError("PLAN_DESTRUCTIVE", text, { metadata: { changes: listed(destructive, 50) } });
}
