import type { Remedy } from "../../gen/centralhub/health/v1/health_pb.ts";
import { adopt, fixBroker } from "./findings.ts";

/** The broker is made as declared. `effect` says what that does, such as "sets retention.ms to 5". */
export function applyPlan(effect: string): Remedy {
  return fixBroker(`${PLAN}; that ${effect}`);
}

/** A limit that nobody declares is left alone until it is declared that there is none. */
export function declareUnlimited(file: string, path: string): Remedy {
  return fixBroker(`set ${path}.retention_bytes to -1 in ${file}; then ${PLAN}, which takes the limit away`);
}

/** What the broker has is declared, by a change at one place of a document. */
export function declareValue(file: string, path: string, value: string, impossibleReason = ""): Remedy {
  return adopt(
    `set ${path} to ${value} in ${file}, or take it from \`central-hub import\``,
    impossibleReason,
  );
}

const PLAN = "run `central-hub plan`, and `central-hub apply` with the plan that it shows";
