import { create } from "@bufbuild/protobuf";
import {
  ChangeAction,
  ChangeRisk,
  type TopologyChange,
  TopologyChangeSchema,
} from "../../gen/centralhub/topology/v1/topology_pb.ts";
import { HubError } from "../errors.ts";
import type { Aspect, PlannedChange } from "./change.ts";
import { ABSENT } from "./fingerprints.ts";
import type { Plan } from "./plan.ts";
import { listed } from "./texts.ts";
import type { PlanToken } from "./token.ts";

/** One step of an apply. */
export type Step =
  | { readonly state: "open"; readonly change: TopologyChange; readonly planned: PlannedChange }
  | { readonly state: "done"; readonly change: TopologyChange }
  | { readonly state: "impossible"; readonly change: TopologyChange };

/** A side of a resource as it is now. */
export type FingerprintNow = (system: string, resource: string, aspect: Aspect) => string;

const ASPECTS: Readonly<Record<string, { aspect: Aspect; action: ChangeAction }>> = {
  create: { aspect: "existence", action: ChangeAction.CREATE },
  delete: { aspect: "existence", action: ChangeAction.DELETE },
  partitions: { aspect: "partitions", action: ChangeAction.ADD_PARTITIONS },
  alter: { aspect: "settings", action: ChangeAction.ALTER },
};

/**
 * Holds a plan against one that was made anew. Each change must be as it was planned, or be done already, as it is
 * after an apply that was cut off. Throws PLAN_STALE, naming all that has moved otherwise.
 */
export function matchPlan({ changes }: PlanToken, fresh: Plan, now: FingerprintNow): Step[] {
  const byId = new Map(fresh.changes.map((planned) => [planned.change.id, planned]));
  const moved: string[] = [];
  const steps: Step[] = [];
  for (const [id, before, after] of changes) {
    const { system, resource, verb } = parts(id);
    const planned = byId.get(id);
    byId.delete(id);
    if (verb === "impossible") {
      if (planned) steps.push({ state: "impossible", change: planned.change });
      continue;
    }
    const kind = ASPECTS[verb];
    if (!kind) throw new HubError("INVALID_REQUEST", `token: "${id}" is no change of a plan; plan again`);
    const state = now(system, resource, kind.aspect);
    const isMade = verb === "create" && state !== ABSENT && !touches(fresh, system, resource);
    if (planned?.act && state === before && planned.after === after) {
      steps.push({ state: "open", change: planned.change, planned });
    } else if (isMade || (state === after && state !== before)) {
      steps.push({ state: "done", change: planned?.change ?? doneChange(id, system, resource, kind.action) });
    } else {
      moved.push(movedText(id, system, resource, state, before, planned));
    }
  }
  for (const { change } of byId.values()) moved.push(`${change.id} is new: ${change.summary}`);
  if (moved.length > 0) throw planStale(moved);
  return steps;
}

/** What an apply is refused with when what it was planned from is no longer so. */
export function planStale(moved: readonly string[]): HubError {
  return new HubError(
    "PLAN_STALE",
    `the plan no longer holds; plan again. What moved: ${listed(moved, 10)}`,
    {
      metadata: { moved: listed(moved, 50) },
    },
  );
}

function parts(id: string): { system: string; resource: string; verb: string } {
  const [system = "", resource = "", verb = ""] = id.split("/");
  return { system, resource, verb };
}

// What differs of a resource that somebody has made meanwhile is in the plan that was made anew.
function touches({ changes }: Plan, system: string, resource: string): boolean {
  return changes.some(({ change }) => change.system === system && change.resource === resource);
}

function movedText(
  id: string,
  system: string,
  resource: string,
  state: string,
  before: string,
  planned: PlannedChange | undefined,
): string {
  const where = `${system} ${resource}`;
  if (state === ABSENT) return `${where} is no longer there (${id})`;
  if (before === ABSENT) return `${where} has been made meanwhile, and not as declared (${id})`;
  if (state === before) return `${where} is as it was, but what is to be done about it is not (${id})`;
  const is = planned?.change.settings.map(({ name, before: value }) => `${name} is ${value} now`) ?? [];
  return `${where} has been changed (${id}${is.length > 0 ? `: ${is.join(", ")}` : ""})`;
}

function doneChange(id: string, system: string, resource: string, action: ChangeAction): TopologyChange {
  const summary = `${system} ${resource} is as it was planned to be`;
  return create(TopologyChangeSchema, { id, system, resource, action, summary, risk: ChangeRisk.SAFE });
}
