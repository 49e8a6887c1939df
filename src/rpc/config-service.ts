import type { ServiceImpl } from "@connectrpc/connect";
import type { ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import type { ConfigManager } from "../config/config-manager.ts";
import type { Action } from "../config/permissions.ts";

type Reads = Pick<
  ConfigManager,
  "getMessagingConfig" | "getNatsSubjects" | "getKafkaTopics" | "getKafkaConsumerGroups" | "checkPermission"
>;

/** ConfigService over the reads of a ConfigManager. Watching and reporting answer UNIMPLEMENTED. */
export function configService(config: Reads): Partial<ServiceImpl<typeof ConfigService>> {
  return {
    getMessagingConfig: (request) => config.getMessagingConfig(request),
    getNatsSubjects: (request) => config.getNatsSubjects(request),
    getKafkaTopics: (request) => config.getKafkaTopics(request),
    getKafkaConsumerGroups: (request) => config.getKafkaConsumerGroups(request),
    // Validation lets only "publish" and "subscribe" through.
    checkPermission: (request) => config.checkPermission({ ...request, action: request.action as Action }),
  };
}
