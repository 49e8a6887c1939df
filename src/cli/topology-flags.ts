import { type Duration, durationFromMs } from "@bufbuild/protobuf/wkt";
import { UsageError } from "./command.ts";
import { TARGET_FLAGS } from "./connection.ts";

/** Flags that say what to plan, and of which hub. */
export const PLAN_FLAGS = {
  ...TARGET_FLAGS,
  version: { type: "string" },
  systems: { type: "string" },
  "allow-delete": { type: "boolean" },
  "retention-step": { type: "string" },
  help: { type: "boolean", short: "h" },
} as const;

/** Brokers are looked at while the hub answers. */
export const PLAN_TIMEOUT_SECONDS = 30;

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** The request for a plan that flags ask for. Throws a UsageError. */
export function readPlanRequest(values: {
  readonly version?: string | undefined;
  readonly systems?: string | undefined;
  readonly "allow-delete"?: boolean | undefined;
  readonly "retention-step"?: string | undefined;
}) {
  const step = values["retention-step"];
  return {
    version: values.version ?? "",
    systems: readSystems(values.systems),
    allowDelete: values["allow-delete"] ?? false,
    ...(step === undefined ? {} : { retentionStep: readDuration("retention-step", step, 1_000) }),
  };
}

/** Systems with commas between. Throws a UsageError. */
export function readSystems(text: string | undefined): string[] {
  const systems = text === undefined ? [] : text.split(",").map((system) => system.trim());
  for (const system of systems) {
    if (system !== "kafka" && system !== "nats")
      throw new UsageError("--systems takes kafka, nats or kafka,nats");
  }
  return [...new Set(systems)];
}

/** A time such as 30d, 12h, 45m, 30s or 500ms, within milliseconds. Throws a UsageError that names the flag. */
export function readDuration(flag: string, text: string, minMs: number, maxMs = 1e13): Duration {
  const [, count, unit = ""] = /^(\d{1,13}(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text) ?? [];
  const ms = Math.round(Number(count) * (UNITS[unit] ?? Number.NaN));
  if (!(ms >= minMs && ms <= maxMs)) {
    const least = minMs === 0 ? "" : `, at least ${minMs / 1000} s`;
    const most = maxMs === 1e13 ? "" : `, at most ${maxMs / 60_000}m`;
    throw new UsageError(`--${flag} takes a time such as 30d, 12h, 45m or 30s${least}${most}`);
  }
  return durationFromMs(ms);
}
