import { create } from "@bufbuild/protobuf";
import type { InfrastructureConfig } from "../../gen/centralhub/config/v1/infrastructure_pb.ts";
import {
  type ServiceHealth,
  ServiceHealthSchema,
  Verdict,
} from "../../gen/centralhub/health/v1/health_pb.ts";

/** Verdicts that keep a service from its work. What is not configured is no fault. */
const BAD: readonly Verdict[] = [Verdict.WRONG, Verdict.UNKNOWN];

/**
 * Folds components into the services that cannot work without them, directly or through other services: one cause is
 * shown as one cause. A service is impaired by a component exactly when the component is among its causes.
 */
export class Folding {
  readonly #services: readonly string[];
  /** By the name of what is needed: the services that name it. */
  readonly #dependents = new Map<string, string[]>();

  constructor(infrastructure: InfrastructureConfig | undefined) {
    const services = Object.entries(infrastructure?.services ?? {});
    this.#services = services.map(([name]) => name).sort();
    for (const [name, { dependsOn }] of services) {
      for (const needed of dependsOn) {
        const known = this.#dependents.get(needed);
        if (known) known.push(name);
        else this.#dependents.set(needed, [name]);
      }
    }
  }

  /** Services that cannot work while this component has this verdict, by name. */
  impairedBy(component: string, verdict: Verdict): readonly string[] {
    if (!BAD.includes(verdict)) return [];
    const impaired = new Set<string>();
    const open = [component];
    for (let needed = open.pop(); needed !== undefined; needed = open.pop()) {
      for (const service of this.#dependents.get(needed) ?? []) {
        if (impaired.has(service)) continue;
        impaired.add(service);
        open.push(service);
      }
    }
    return [...impaired].sort();
  }

  /**
   * Every service by name, from the verdicts of components. A WRONG cause comes before an UNKNOWN one.
   * `liveInstances` tells how many instances of a service there are.
   */
  services(
    verdicts: ReadonlyMap<string, Verdict>,
    liveInstances: (service: string) => number,
  ): ReadonlyMap<string, ServiceHealth> {
    const services = new Map<string, ServiceHealth>();
    for (const name of this.#services) {
      services.set(
        name,
        create(ServiceHealthSchema, { name, verdict: Verdict.OK, liveInstances: liveInstances(name) }),
      );
    }
    for (const verdict of BAD) {
      const causes = [...verdicts].filter(([, is]) => is === verdict).map(([name]) => name);
      for (const cause of causes.sort()) {
        for (const impaired of this.impairedBy(cause, verdict)) {
          const service = services.get(impaired);
          if (!service) continue;
          if (service.causedBy.length === 0) service.verdict = verdict;
          service.causedBy.push(cause);
        }
      }
    }
    return services;
  }
}
