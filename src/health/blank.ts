import { create } from "@bufbuild/protobuf";
import { HealthStatus } from "../../gen/centralhub/health/v1/health_pb.ts";
import {
  CheckConsumerGroupsResponseSchema,
  CheckKafkaTopicsResponseSchema,
  CheckNatsStreamsResponseSchema,
} from "../../gen/centralhub/health/v1/health_service_pb.ts";
import type { ConfigManager } from "../config/config-manager.ts";
import type { HealthSources } from "./health-board.ts";

/** What a hub knows that looks at nothing yet. */
export function blankSources(config: ConfigManager): HealthSources {
  const onChange = () => () => {};
  const nothing = { status: HealthStatus.ERROR, error: "this hub does not look at brokers yet" };
  const all = (version: string) => ({ version, service: "", domain: "" });
  return {
    infrastructure: { components: () => new Map(), services: () => new Map(), onChange },
    kafka: {
      topics: (version) => {
        config.getKafkaTopics(all(version));
        return create(CheckKafkaTopicsResponseSchema, nothing);
      },
      groups: (version) => {
        config.getKafkaTopics(all(version));
        return create(CheckConsumerGroupsResponseSchema, nothing);
      },
      onChange,
    },
    nats: {
      streams: (version) => {
        config.getNatsSubjects(all(version));
        return create(CheckNatsStreamsResponseSchema, nothing);
      },
      onChange,
    },
  };
}
