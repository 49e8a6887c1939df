import type { ServiceImpl } from "@connectrpc/connect";
import type { TopologyService } from "../../gen/centralhub/topology/v1/topology_service_pb.ts";
import { declared, versionOf } from "../config/declared.ts";
import { renderNatsPermissions } from "../topology/nats-permissions.ts";
import type { Topology } from "../topology/topology.ts";

/** TopologyService over the room that plans and applies. */
export function topologyService(topology: Topology): Partial<ServiceImpl<typeof TopologyService>> {
  return {
    renderNatsPermissions: (request) => {
      const version = versionOf(topology.parts.live.manager.snapshot, request.version);
      const { block, variables } = renderNatsPermissions(version.name, declared(version, "nats").message);
      return { block, passwordVariables: Object.fromEntries(variables) };
    },
  };
}
