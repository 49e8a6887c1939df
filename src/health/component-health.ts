import { create } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  type ComponentHealth,
  ComponentHealthSchema,
  Verdict,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import type { LogStatus } from "../config/revision-log.ts";
import type { ProbeState } from "./probe-loop.ts";
import { publicAddress, redactor } from "./redaction.ts";
import type { ComponentKind, Target } from "./targets.ts";

const VERDICTS = { ok: Verdict.OK, wrong: Verdict.WRONG, unknown: Verdict.UNKNOWN } as const;

/** What names the address of the first component of a kind. */
const SETTINGS: Readonly<Partial<Record<ComponentKind, string>>> = {
  kafka: "KAFKA_BROKERS",
  nats: "NATS_URL",
  zookeeper: "ZOOKEEPER_CONNECT",
  postgres: "DATABASE_URL",
};

/** A component as its probe sees it. */
export function probedComponent(target: Target, state: ProbeState): ComponentHealth {
  const { name, kind, address, monitoringUrl } = target;
  const told = redactor([address, monitoringUrl]);
  const facts: Record<string, string> = {};
  for (const [fact, value] of Object.entries({ ...state.facts, ...state.measures }))
    facts[fact] = told(value);
  return create(ComponentHealthSchema, {
    name,
    kind,
    verdict: VERDICTS[state.verdict],
    reason: told(state.reason),
    sinceTime: timestampFromMs(state.since),
    ...(state.checkedAt === undefined ? {} : { checkTime: timestampFromMs(state.checkedAt) }),
    ...(state.latencyMs === undefined ? {} : { latency: durationFromMs(Math.round(state.latencyMs)) }),
    address: publicAddress(address),
    facts,
    warnings: state.warnings.map(told),
  });
}

/** A component that nobody has told the hub the address of. `isFirst`: a setting of the hub can tell it. */
export function unconfigured({ name, kind }: Target, isFirst: boolean, since: number): ComponentHealth {
  const setting = isFirst ? SETTINGS[kind] : undefined;
  return create(ComponentHealthSchema, {
    name,
    kind,
    verdict: Verdict.NOT_CONFIGURED,
    reason: `not configured; set ${setting ? `${setting} or ` : ""}its address in infrastructure.yaml`,
    sinceTime: timestampFromMs(since),
  });
}

/** The hub's own log, which tells of itself. `address`: "file" or a URL. */
export function revisionLogComponent(name: string, status: LogStatus, address: string): ComponentHealth {
  const told = redactor([address]);
  return create(ComponentHealthSchema, {
    name,
    kind: "revision-log",
    verdict: status.reachable ? Verdict.OK : Verdict.WRONG,
    reason: status.reachable ? "" : told(status.reason) || "out of reach",
    sinceTime: timestampFromMs(status.since),
    address: publicAddress(address),
  });
}

/** A part of the hub that tells of itself. */
export function ownComponent(name: string, kind: string, state: ProbeState): ComponentHealth {
  const { verdict, reason, warnings, facts, measures, since } = state;
  return create(ComponentHealthSchema, {
    ...{ name, kind, reason },
    verdict: VERDICTS[verdict],
    sinceTime: timestampFromMs(since),
    facts: { ...facts, ...measures },
    warnings: [...warnings],
  });
}

/** All of a component that is news when it changes: not the times of its looks, and not these measures. */
export function newsOf(component: ComponentHealth, measures: Readonly<Record<string, string>>): string {
  const { verdict, reason, address, facts, warnings, impairedServices } = component;
  const lasting = Object.entries(facts).filter(([name]) => !Object.hasOwn(measures, name));
  return JSON.stringify([verdict, reason, address, lasting.sort(), warnings, impairedServices]);
}
