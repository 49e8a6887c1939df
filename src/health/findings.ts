import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  FindingSeverity,
  type HealthFinding,
  HealthFindingSchema,
  HealthStatus,
  type Remedy,
  RemedyKind,
  RemedySchema,
  ResourceStatus,
} from "../../gen/centralhub/health/v1/health_pb.ts";

/** A finding; since when it is there is for FindingTimes to say. */
export function finding(
  content: Omit<MessageInitShape<typeof HealthFindingSchema>, "sinceTime">,
): HealthFinding {
  return create(HealthFindingSchema, content as MessageInitShape<typeof HealthFindingSchema>);
}

/** The way out that makes the broker as declared. */
export function fixBroker(action: string, impossibleReason = ""): Remedy {
  return create(RemedySchema, { kind: RemedyKind.FIX_BROKER, action, impossibleReason });
}

/** The way out that declares what the broker has. */
export function adopt(action: string, impossibleReason = ""): Remedy {
  return create(RemedySchema, { kind: RemedyKind.ADOPT, action, impossibleReason });
}

/** What the findings of a resource that is there come to. */
export function statusOf(findings: readonly HealthFinding[]): ResourceStatus {
  const isDrifted = findings.some(({ severity }) => severity === FindingSeverity.FAIL);
  return isDrifted ? ResourceStatus.DRIFTED : ResourceStatus.HEALTHY;
}

/** How declared resources are together, when something could be seen at all. */
export interface Tally {
  readonly status: HealthStatus;
  readonly total: number;
  readonly healthy: number;
  readonly missing: number;
  readonly drifted: number;
  readonly unknown: number;
}

/** Counts resources by how they are. */
export function tally(resources: Iterable<{ readonly status: ResourceStatus }>): Tally {
  const statuses = [...resources].map(({ status }) => status);
  const count = (status: ResourceStatus): number => statuses.filter((one) => one === status).length;
  const healthy = count(ResourceStatus.HEALTHY);
  return {
    status: healthy === statuses.length ? HealthStatus.HEALTHY : HealthStatus.DEGRADED,
    total: statuses.length,
    healthy,
    missing: count(ResourceStatus.MISSING),
    drifted: count(ResourceStatus.DRIFTED),
    unknown: count(ResourceStatus.UNKNOWN),
  };
}

/** Remembers since when each finding has been there. */
export class FindingTimes {
  #since = new Map<string, number>();

  /**
   * Dates all findings of one look, which was made at `time` in milliseconds since 1970; `scopes` names what they were
   * found against, such as the version. What is not found any more is forgotten.
   */
  date(scopes: ReadonlyMap<string, readonly HealthFinding[]>, time: number): void {
    const since = new Map<string, number>();
    for (const [scope, findings] of scopes) {
      for (const found of findings) {
        const key = JSON.stringify([scope, found.type, found.resource, found.setting]);
        const start = this.#since.get(key) ?? time;
        since.set(key, start);
        found.sinceTime = timestampFromMs(start);
      }
    }
    this.#since = since;
  }
}
