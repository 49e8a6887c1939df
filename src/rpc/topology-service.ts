import type { ServiceImpl } from "@connectrpc/connect";
import type { TopologyService } from "../../gen/centralhub/topology/v1/topology_service_pb.ts";
import type { Topology } from "../topology/topology.ts";

/** TopologyService over the room that plans and applies. */
export function topologyService(_topology: Topology): Partial<ServiceImpl<typeof TopologyService>> {
  return {};
}
