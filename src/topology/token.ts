import { HubError } from "../errors.ts";
import { TOPOLOGY_SYSTEMS, type TopologySystem } from "./change.ts";
import type { Plan, PlanOptions } from "./plan.ts";

/** What a plan was made from, and what it holds: enough to make it again, and to see that it is the same. */
export interface PlanToken {
  readonly epoch: string;
  readonly revision: bigint;
  readonly options: PlanOptions;
  /** Of what the version declares. */
  readonly declaration: string;
  readonly clusterIds: Partial<Readonly<Record<TopologySystem, string>>>;
  /** When the plan was made, in milliseconds since 1970. */
  readonly time: number;
  /** Each change by its id, with its fingerprints, in the order in which they are done. */
  readonly changes: readonly (readonly [id: string, before: string, after: string])[];
}

const FORMAT = 1;

/** The token of a plan. Holds no secret, and nothing that is trusted: an apply makes the plan anew. */
export function writeToken(token: Omit<PlanToken, "changes">, { changes }: Plan): string {
  const { epoch, revision, options, declaration, clusterIds, time } = token;
  const { version, systems, allowDelete, stepMs } = options;
  const content = [
    ...[FORMAT, epoch, String(revision), version, systems, allowDelete, String(stepMs ?? "")],
    ...[
      declaration,
      clusterIds,
      time,
      changes.map(({ change, before, after }) => [change.id, before, after]),
    ],
  ];
  return Buffer.from(JSON.stringify(content)).toString("base64url");
}

/** Reads a token. Throws INVALID_REQUEST for what is none. */
export function readToken(text: string): PlanToken {
  const token = parse(text);
  if (token) return token;
  throw new HubError("INVALID_REQUEST", "token: is not the token of a plan of this hub; plan again");
}

function parse(text: string): PlanToken | undefined {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
  if (!Array.isArray(value) || value.length !== 11 || value[0] !== FORMAT) return undefined;
  const [, epoch, revision, version, systems, allowDelete, step, declaration, clusterIds, time, changes] =
    value;
  const isSound =
    [epoch, version, declaration].every((one) => typeof one === "string") &&
    isNumber(revision) &&
    (step === "" || (isNumber(step) && BigInt(step) > 0n)) &&
    Array.isArray(systems) &&
    systems.every((one) => TOPOLOGY_SYSTEMS.includes(one)) &&
    typeof allowDelete === "boolean" &&
    Number.isSafeInteger(time) &&
    isTexts(clusterIds) &&
    Array.isArray(changes) &&
    changes.every(
      (one) => Array.isArray(one) && one.length === 3 && one.every((part) => typeof part === "string"),
    );
  if (!isSound) return undefined;
  const options = { version, systems, allowDelete, stepMs: step === "" ? undefined : BigInt(step) };
  return { epoch, revision: BigInt(revision), options, declaration, clusterIds, time, changes };
}

function isNumber(value: unknown): value is string {
  return typeof value === "string" && /^\d{1,18}$/.test(value);
}

function isTexts(value: unknown): value is Record<string, string> {
  return (
    typeof value === "object" &&
    value !== null &&
    Object.values(value).every((one) => typeof one === "string")
  );
}
