import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { ServiceImpl } from "@connectrpc/connect";
import { ChangeAction, type TopologyChange } from "../../gen/centralhub/topology/v1/topology_pb.ts";
import {
  ApplyTopologyResponseSchema,
  type PlanSummarySchema,
  type TopologyService,
} from "../../gen/centralhub/topology/v1/topology_service_pb.ts";
import { declared, versionOf } from "../config/declared.ts";
import type { Applies } from "../topology/applies.ts";
import { renderNatsPermissions } from "../topology/nats-permissions.ts";
import type { Topology } from "../topology/topology.ts";
import { callerKey, requestIdKey } from "./call-context.ts";

/** TopologyService over the room that plans, and what carries plans out. */
export function topologyService(topology: Topology, applies: Applies): ServiceImpl<typeof TopologyService> {
  return {
    planTopology: async ({ version, systems, allowDelete, retentionStep }) => {
      const stepMs = retentionStep && BigInt(Math.round(durationMs(retentionStep)));
      const { plan, ...planned } = await topology.plan({ version, systems, allowDelete, stepMs });
      const changes = plan.changes.map(({ change }) => change);
      return {
        ...{ token: planned.token, version: planned.version, revision: planned.revision },
        clusterIds: { ...planned.clusterIds },
        changes,
        findings: [...plan.findings],
        summary: summaryOf(changes, plan.unchanged),
      };
    },

    applyTopology: async function* ({ token, acceptDestructive, lockWait }, { values, signal }) {
      const caller = { subject: values.get(callerKey).subject, requestId: values.get(requestIdKey) };
      const request = { token, acceptDestructive, lockWaitMs: lockWait ? durationMs(lockWait) : 0 };
      for await (const event of applies.apply(request, caller, signal)) {
        yield create(ApplyTopologyResponseSchema, event);
      }
    },

    importTopology: async (request) => {
      const { documents, notes, faults } = await topology.import(request);
      return { documents: Object.fromEntries(documents), notes: [...notes], faults: [...faults] };
    },

    renderNatsPermissions: (request) => {
      const version = versionOf(topology.parts.live.manager.snapshot, request.version);
      const { block, variables } = renderNatsPermissions(version.name, declared(version, "nats").message);
      return { block, passwordVariables: Object.fromEntries(variables) };
    },
  };
}

function summaryOf(
  changes: readonly TopologyChange[],
  unchanged: number,
): MessageInitShape<typeof PlanSummarySchema> {
  const count = (...actions: ChangeAction[]): number =>
    changes.filter(({ action }) => actions.includes(action)).length;
  return {
    create: count(ChangeAction.CREATE),
    update: count(ChangeAction.ALTER, ChangeAction.ADD_PARTITIONS),
    delete: count(ChangeAction.DELETE),
    impossible: count(ChangeAction.IMPOSSIBLE),
    unchanged,
  };
}
