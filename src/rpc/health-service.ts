import type { ServiceImpl } from "@connectrpc/connect";
import type { HealthService } from "../../gen/centralhub/health/v1/health_service_pb.ts";
import type { HealthBoard } from "../health/health-board.ts";
import { untilShutdown } from "./stream-end.ts";

/** HealthService over the board, which answers from memory. */
export function healthService(board: HealthBoard): ServiceImpl<typeof HealthService> {
  return {
    checkKafkaTopics: ({ version }) => board.topics(version),
    checkNatsStreams: ({ version }) => board.streams(version),
    checkConsumerGroups: ({ version }) => board.groups(version),
    checkInfrastructure: () => board.infrastructure(),
    watchHealth: (request, { signal }) => untilShutdown(board.watch(request, signal), signal),
  };
}
