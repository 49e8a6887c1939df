import { readFile } from "node:fs/promises";
import { fromJsonString } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import {
  type ApplyFinished,
  type PlanTopologyResponse,
  PlanTopologyResponseSchema,
  TopologyService,
} from "../../gen/centralhub/topology/v1/topology_service_pb.ts";
import { CommandFailed, readArguments, type Surroundings, UsageError } from "./command.ts";
import { ask, connect, explain, readTarget, type Target } from "./connection.ts";
import { PLAN_FLAGS, PLAN_TIMEOUT_SECONDS, readDuration, readPlanRequest } from "./topology-flags.ts";
import { APPLY_HELP } from "./topology-help.ts";
import { finishedText, planFindings, planSummary, planText, stepText } from "./topology-views.ts";

const FLAGS = {
  ...PLAN_FLAGS,
  plan: { type: "string" },
  yes: { type: "boolean" },
  "accept-destructive": { type: "boolean" },
  "lock-wait": { type: "string" },
} as const;

const CHOICES = ["version", "systems", "allow-delete", "retention-step"] as const;
const LOCK_WAIT_MAX_MS = 300_000;
const NOT_CONVERGED = 3;

/** `apply`: makes the brokers as declared; returns 0 when they are then, 1 when a step failed, 3 otherwise. */
export async function apply(args: readonly string[], surroundings: Surroundings): Promise<number> {
  const { env, out, err, confirm } = surroundings;
  const { values, positionals } = readArguments(args, FLAGS);
  if (values.help) {
    out(APPLY_HELP);
    return 0;
  }
  if (positionals.length > 0) throw new UsageError(`apply: "${positionals[0]}" is one word too many`);
  const choice = CHOICES.find((name) => values[name] !== undefined);
  if (values.plan !== undefined && choice) throw new UsageError(`apply: --plan has its own --${choice}`);
  const request = readPlanRequest(values);
  const wait = values["lock-wait"];
  const lockWait = wait === undefined ? undefined : readDuration("lock-wait", wait, 0, LOCK_WAIT_MAX_MS);
  const target = readTarget(values, env, PLAN_TIMEOUT_SECONDS);
  if (!values.yes && !confirm) {
    throw new UsageError("apply: there is no terminal to ask on; say --yes to go on without being asked");
  }
  const plan =
    values.plan === undefined
      ? await ask(target, TopologyService, (hub) => hub.planTopology(request))
      : await readPlan(values.plan);
  out(planText(plan));
  err(planFindings(plan) + planSummary(plan));
  if (plan.changes.length === 0) return 0;
  if (!values.yes && !(await confirm?.("carry it out?"))) throw new CommandFailed("nothing was changed");
  const finished = await carryOut(target, surroundings, {
    token: plan.token,
    acceptDestructive: values["accept-destructive"] ?? false,
    ...(lockWait ? { lockWait } : {}),
  });
  err(finishedText(finished));
  if (finished.failed > 0) return 1;
  return finished.converged ? 0 : NOT_CONVERGED;
}

async function readPlan(file: string): Promise<PlanTopologyResponse> {
  try {
    return fromJsonString(PlanTopologyResponseSchema, await readFile(file, "utf8"));
  } catch (error) {
    const why = error instanceof Error && "syscall" in error ? error.message : `${file} holds no plan`;
    throw new CommandFailed(`${why}; "central-hub plan --out FILE" keeps one`, { cause: error });
  }
}

async function carryOut(
  target: Target,
  { err, untilStopped }: Surroundings,
  request: Parameters<ReturnType<typeof connect<typeof TopologyService>>["applyTopology"]>[0],
): Promise<ApplyFinished> {
  let steps = 0;
  try {
    const events = connect(target, TopologyService).applyTopology(request, { signal: untilStopped() });
    for await (const { event } of events) {
      if (event.case === "started") steps = event.value.steps;
      else if (event.case === "step") err(stepText(event.value, steps));
      else if (event.case === "finished") return event.value;
    }
  } catch (error) {
    const why = explain(ConnectError.from(error), target);
    const doubt = steps > 0 ? "; steps that were done stay done, and the same command carries on" : "";
    throw new CommandFailed(why + doubt, { cause: error });
  }
  throw new CommandFailed("the hub ended without a last word; the same command carries on");
}
