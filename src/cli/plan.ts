import { writeFile } from "node:fs/promises";
import { toJsonString } from "@bufbuild/protobuf";
import {
  type PlanTopologyResponse,
  PlanTopologyResponseSchema,
  TopologyService,
} from "../../gen/centralhub/topology/v1/topology_service_pb.ts";
import { CommandFailed, readArguments, type Surroundings, UsageError } from "./command.ts";
import { ask, readTarget } from "./connection.ts";
import { readOutput, show } from "./output.ts";
import { PLAN_FLAGS, PLAN_TIMEOUT_SECONDS, readPlanRequest } from "./topology-flags.ts";
import { PLAN_HELP } from "./topology-help.ts";
import { planFindings, planJson, planSummary, planText } from "./topology-views.ts";

const FLAGS = { ...PLAN_FLAGS, out: { type: "string" }, output: { type: "string" } } as const;
const DRIFT = 3;

/** `plan`: shows what would make the brokers as declared; returns 0 when nothing would, and 3 otherwise. */
export async function plan(args: readonly string[], { env, out, err }: Surroundings): Promise<number> {
  const { values, positionals } = readArguments(args, FLAGS);
  if (values.help) {
    out(PLAN_HELP);
    return 0;
  }
  if (positionals.length > 0) throw new UsageError(`plan: "${positionals[0]}" is one word too many`);
  const request = readPlanRequest(values);
  const output = readOutput(values.output);
  const target = readTarget(values, env, PLAN_TIMEOUT_SECONDS);
  const answer = await ask(target, TopologyService, (hub) => hub.planTopology(request));
  show(out, output, planJson(answer), planText(answer));
  err(planFindings(answer) + planSummary(answer));
  if (values.out !== undefined) {
    await keep(values.out, answer);
    err(`carry it out with: central-hub apply --plan ${values.out}\n`);
  }
  return answer.changes.length === 0 ? 0 : DRIFT;
}

async function keep(file: string, answer: PlanTopologyResponse): Promise<void> {
  try {
    await writeFile(file, `${toJsonString(PlanTopologyResponseSchema, answer, { prettySpaces: 2 })}\n`);
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    throw new CommandFailed(error.message, { cause: error });
  }
}
