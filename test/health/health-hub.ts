import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { onTestFinished } from "vitest";
import { HealthService } from "../../gen/centralhub/health/v1/health_service_pb.ts";
import { HealthBoard, type HealthSources } from "../../src/health/health-board.ts";
import { healthService } from "../../src/rpc/health-service.ts";

/** Serves HealthService over what a test makes up; returns the address. */
export async function startHealthHub(sources: HealthSources, bookmarkIntervalMs = 15_000): Promise<string> {
  const board = new HealthBoard(sources, bookmarkIntervalMs);
  const routes = connectNodeAdapter({
    routes: (router) => void router.service(HealthService, healthService(board)),
  });
  const server = createServer(routes);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
