import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { StepOutcome } from "../../gen/centralhub/topology/v1/topology_pb.ts";
import {
  type ApplyFinished,
  type ApplyStep,
  type PlanTopologyResponse,
  TopologyService,
} from "../../gen/centralhub/topology/v1/topology_service_pb.ts";
import type { Settings } from "../../src/settings/settings.ts";
import { startTestHub } from "../support/hub.ts";

/** What came of an apply. */
export interface Applied {
  readonly steps: readonly ApplyStep[];
  readonly finished: ApplyFinished;
}

/** A hub to plan and apply with. */
export type TopologyHub = Awaited<ReturnType<typeof startTopologyHub>>;

/** Starts a hub for the test and gives clients of it. */
export async function startTopologyHub(settings: Partial<Settings>) {
  return topologyClients((await startTestHub(settings)).url);
}

/** Clients of a hub that runs already. */
export function topologyClients(url: string) {
  const transport = createGrpcTransport({ baseUrl: url });
  const topology = createClient(TopologyService, transport);
  const release = createClient(ReleaseService, transport);
  return {
    url,
    topology,
    release,
    plan: (options: Parameters<typeof topology.planTopology>[0] = {}): Promise<PlanTopologyResponse> =>
      topology.planTopology(options),
    apply: (token: string, options: Partial<Parameters<typeof topology.applyTopology>[0]> = {}) =>
      applied(topology.applyTopology({ token, ...options })),
    /** Publishes texts of documents over the newest revision. */
    publish: async (documents: Record<string, string>): Promise<void> => {
      const { revision } = await release.getRevision({});
      await release.publishConfig({ documents, expectedRevision: revision?.revision ?? 0n, comment: "test" });
    },
  };
}

async function applied(
  events: AsyncIterable<{ event: { case: string | undefined; value?: unknown } }>,
): Promise<Applied> {
  const steps: ApplyStep[] = [];
  for await (const { event } of events) {
    if (event.case === "step") steps.push(event.value as ApplyStep);
    if (event.case === "finished") return { steps, finished: event.value as ApplyFinished };
  }
  throw new Error("the apply ended without a last word");
}

/** Plans and applies until nothing is left to do, as an operator with patience does. */
export async function converge(
  hub: TopologyHub,
  options: Parameters<TopologyHub["plan"]>[0] = {},
): Promise<Applied[]> {
  const all: Applied[] = [];
  for (let applies = 0; applies < 40; applies++) {
    const { token, changes } = await hub.plan(options);
    if (changes.length === 0) return all;
    all.push(await hub.apply(token, { acceptDestructive: true }));
  }
  throw new Error("40 applies were not enough");
}

/** Ids of changes, in order. */
export function ids({ changes }: Pick<PlanTopologyResponse, "changes">): string[] {
  return changes.map(({ id }) => id);
}

/** How each step ended, by the id of its change. */
export function endings({ steps }: Applied): Record<string, string> {
  const names = Object.entries(StepOutcome).map(([name, value]) => [value, name] as const);
  const nameOf = new Map<number, string>(names);
  return Object.fromEntries(
    steps
      .filter(({ outcome }) => outcome !== StepOutcome.STARTED)
      .map(({ change, outcome }) => [change?.id ?? "", nameOf.get(outcome) ?? ""]),
  );
}
