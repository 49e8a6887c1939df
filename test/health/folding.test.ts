import { create } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InfrastructureConfigSchema } from "../../gen/centralhub/config/v1/infrastructure_pb.ts";
import { Verdict } from "../../gen/centralhub/health/v1/health_pb.ts";
import { Folding } from "../../src/health/folding.ts";

const COMPONENTS = ["kafka", "nats", "timescaledb", "zookeeper"];
const SERVICES = ["a", "b", "c", "d", "e", "f", "g"];
const VERDICTS = [Verdict.OK, Verdict.WRONG, Verdict.UNKNOWN, Verdict.NOT_CONFIGURED];

type DependsOn = Readonly<Record<string, readonly string[]>>;

function folding(dependsOn: DependsOn): Folding {
  const services = Object.fromEntries(
    Object.entries(dependsOn).map(([name, needed]) => [name, { dependsOn: [...needed] }]),
  );
  return new Folding(create(InfrastructureConfigSchema, { services }));
}

/** The components that a service needs, by asking each of its needs in turn. */
function needs(service: string, dependsOn: DependsOn, trail: readonly string[] = []): Set<string> {
  const found = new Set<string>();
  for (const needed of dependsOn[service] ?? []) {
    if (trail.includes(needed)) continue;
    if (!dependsOn[needed]) found.add(needed);
    for (const each of needs(needed, dependsOn, [...trail, service])) found.add(each);
  }
  return found;
}

const estates = fc.record({
  // With cycles and with names that nothing bears, which the checks of documents refuse.
  dependsOn: fc.dictionary(
    fc.constantFrom(...SERVICES),
    fc.uniqueArray(fc.constantFrom(...COMPONENTS, ...SERVICES, "nobody"), { maxLength: 4 }),
  ),
  verdicts: fc
    .tuple(...COMPONENTS.map(() => fc.constantFrom(...VERDICTS)))
    .map((chosen) => new Map(COMPONENTS.map((name, at) => [name, chosen[at] ?? Verdict.OK]))),
});

describe("folding", () => {
  it("finds the causes that a walk from every service finds", () => {
    fc.assert(
      fc.property(estates, ({ dependsOn, verdicts }) => {
        const services = folding(dependsOn).services(verdicts, () => 0);
        expect([...services.keys()]).toEqual(Object.keys(dependsOn).sort());
        for (const [name, service] of services) {
          const of = (verdict: Verdict): string[] =>
            [...needs(name, dependsOn)].filter((each) => verdicts.get(each) === verdict).sort();
          const [wrong, unknown] = [of(Verdict.WRONG), of(Verdict.UNKNOWN)];
          expect(service.causedBy).toEqual([...wrong, ...unknown]);
          const worst = wrong.length > 0 ? Verdict.WRONG : unknown.length > 0 ? Verdict.UNKNOWN : Verdict.OK;
          expect(service.verdict).toBe(worst);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it("names a service under a component exactly when it names the component under the service", () => {
    fc.assert(
      fc.property(estates, ({ dependsOn, verdicts }) => {
        const folded = folding(dependsOn);
        const services = folded.services(verdicts, () => 0);
        for (const [component, verdict] of verdicts) {
          const impaired = [...services.values()].filter(({ causedBy }) => causedBy.includes(component));
          expect(folded.impairedBy(component, verdict)).toEqual(impaired.map(({ name }) => name));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it("tells the instances that there are", () => {
    const services = folding({ a: [], b: ["a"] }).services(new Map(), (service) => (service === "b" ? 3 : 0));
    expect([...services.values()].map(({ liveInstances }) => liveInstances)).toEqual([0, 3]);
  });
});
