import {
  ChangeAction,
  ChangeActionSchema,
  ChangeRisk,
  ChangeRiskSchema,
  type Impact,
  StepOutcome,
  StepOutcomeSchema,
  type TopologyChange,
} from "../../gen/centralhub/topology/v1/topology_pb.ts";
import {
  type ApplyFinished,
  type ApplyStep,
  type PlanTopologyResponse,
  PlanTopologyResponseSchema,
} from "../../gen/centralhub/topology/v1/topology_service_pb.ts";
import { enumName, type Json, renderMessage } from "../documents/render.ts";
import { printable } from "./command.ts";

const MARKS: Partial<Record<ChangeAction, string>> = {
  [ChangeAction.CREATE]: "+",
  [ChangeAction.ALTER]: "~",
  [ChangeAction.ADD_PARTITIONS]: "~",
  [ChangeAction.DELETE]: "-",
  [ChangeAction.IMPOSSIBLE]: "!",
};

/** A plan for programs. */
export function planJson(plan: PlanTopologyResponse): Json {
  return renderMessage(PlanTopologyResponseSchema, plan);
}

/** A plan for people: each change with what it does, what to think of, and who is touched. */
export function planText({ changes }: PlanTopologyResponse): string {
  return changes.map(changeText).join("");
}

/** The counts of a plan, in one line. */
export function planSummary({ summary, version, revision, changes }: PlanTopologyResponse): string {
  const { create = 0, update = 0, delete: remove = 0, impossible = 0, unchanged = 0 } = summary ?? {};
  const of = `${printable(version)}, revision ${revision}`;
  if (changes.length === 0) return `${of}: the brokers are as declared (${unchanged} unchanged)\n`;
  return `${of}: ${create} to make, ${update} to change, ${remove} to remove, ${impossible} impossible, ${unchanged} unchanged\n`;
}

/** What is to be said beside a plan, a line for each. */
export function planFindings({ findings }: PlanTopologyResponse): string {
  const lines = findings.map(({ message, resource }) => `note: ${printable(message || resource)}`);
  return lines.map((line) => `${line}\n`).join("");
}

function changeText(change: TopologyChange): string {
  const { action, system, resource, risk, settings, warnings, impossibleReason, stepsLeft, impact } = change;
  const kind = enumName(ChangeActionSchema, action).replaceAll("_", " ");
  const danger = risk > ChangeRisk.SAFE ? `  [${enumName(ChangeRiskSchema, risk).toUpperCase()}]` : "";
  const lines = [`${MARKS[action] ?? "?"} ${system} ${printable(resource)}: ${kind}${danger}`];
  for (const { name, before, after, declared } of settings) {
    const to = after || "(the broker's default)";
    const way = action === ChangeAction.CREATE ? to : `${before || "(none)"} → ${to}`;
    const goal = declared && declared !== after ? `, declared ${declared}` : "";
    lines.push(`    ${name}: ${way}${goal}`);
  }
  if (impossibleReason) lines.push(`    cannot be done: ${impossibleReason}`);
  for (const warning of warnings) lines.push(`    mind: ${warning}`);
  if (stepsLeft > 0)
    lines.push(`    ${stepsLeft} more ${stepsLeft === 1 ? "apply" : "applies"} needed after this one`);
  if (impact) lines.push(...impactLines(impact));
  return `${lines.map(printable).join("\n")}\n`;
}

function impactLines({ services, consumerGroups, tenants, tenantCount, dataTypes }: Impact): string[] {
  const lines: string[] = [];
  const live = services.filter(({ liveInstances }) => liveInstances > 0);
  const others = services.length - live.length;
  if (live.length > 0) lines.push(`    live: ${live.map((one) => `${one.name} (${one.reason})`).join(", ")}`);
  if (others > 0) {
    const names = services.filter(({ liveInstances }) => liveInstances === 0).map(({ name }) => name);
    lines.push(`    services: ${short(names)}`);
  }
  if (consumerGroups.length > 0) lines.push(`    groups: ${short(consumerGroups)}`);
  if (tenantCount > 0) lines.push(`    users: ${tenantCount} read it now: ${short(tenants, 5, tenantCount)}`);
  if (dataTypes.length > 0) lines.push(`    data types: ${dataTypes.join(", ")}`);
  return lines;
}

function short(names: readonly string[], max = 8, total = names.length): string {
  const more = total - Math.min(max, names.length);
  return names.slice(0, max).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/** One step as it goes, in one line. */
export function stepText({ change, outcome, message, number }: ApplyStep, steps: number): string {
  const what = outcome === StepOutcome.STARTED ? (change?.summary ?? "") : message;
  const name = enumName(StepOutcomeSchema, outcome).replaceAll("_", " ");
  return `${printable(`[${number}/${steps}] ${change?.id ?? ""}: ${name}${what ? `: ${what}` : ""}`)}\n`;
}

/** What came of an apply, in one line. */
export function finishedText({ done, alreadyDone, skipped, failed, converged }: ApplyFinished): string {
  const state = converged ? "the brokers are as declared" : "the brokers are not as declared; plan again";
  return `${done} done, ${alreadyDone} done before, ${skipped} left out, ${failed} failed: ${state}\n`;
}
