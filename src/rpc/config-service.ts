import type { ServiceImpl } from "@connectrpc/connect";
import { AppliedOutcome, type ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import type { ConfigManager } from "../config/config-manager.ts";
import type { Action } from "../config/permissions.ts";
import type { Delivery } from "../config/rollout.ts";
import type { ConfigWatch } from "../config/watch.ts";
import { HubError, unknownName } from "../errors.ts";
import { untilShutdown } from "./stream-end.ts";

type Reads = Pick<
  ConfigManager,
  | "getMessagingConfig"
  | "getNatsSubjects"
  | "getKafkaTopics"
  | "getKafkaConsumerGroups"
  | "checkPermission"
  | "snapshot"
>;

/** Takes what instances report; returns, or resolves, once it counts. */
export interface Reports {
  report(service: string, instance: string, delivery: Delivery, error: string): void | Promise<void>;
}

/** ConfigService over the reads of a ConfigManager, the watch, and what instances report. */
export function configService(
  config: Reads,
  watch: ConfigWatch,
  rollout: Reports,
): ServiceImpl<typeof ConfigService> {
  return {
    getMessagingConfig: (request) => config.getMessagingConfig(request),
    getNatsSubjects: (request) => config.getNatsSubjects(request),
    getKafkaTopics: (request) => config.getKafkaTopics(request),
    getKafkaConsumerGroups: (request) => config.getKafkaConsumerGroups(request),
    // Validation lets only "publish" and "subscribe" through.
    checkPermission: (request) => config.checkPermission({ ...request, action: request.action as Action }),
    watchMessagingConfig: (request, { signal }) =>
      untilShutdown(watch.watch({ ...request, resume: request.resume }, signal), signal),
    reportApplied: async ({ service, instance, epoch, revision, nonce, outcome, error }) => {
      const { epoch: current } = config.snapshot;
      if (epoch !== current) {
        throw new HubError(
          "HISTORY_GONE",
          `epoch: "${epoch}" is not this history's "${current}"; watch again without a resume point`,
        );
      }
      checkReport(config.snapshot, service, revision);
      await watch.expectContent(revision, nonce);
      await rollout.report(
        service,
        instance,
        { revision, nonce },
        outcome === AppliedOutcome.REJECTED ? error : "",
      );
      return {};
    },
  };
}

// A report counts for every revision up to its own, so it must be one that can be true.
function checkReport(
  { documents, revision: newest }: Reads["snapshot"],
  service: string,
  revision: bigint,
): void {
  // Before the service is judged, which may have come with that revision.
  if (revision > newest) {
    const text = `revision: this hub has not heard of ${revision} yet, its newest is ${newest}; try again`;
    throw new HubError("LOG_UNAVAILABLE", text);
  }
  const services = documents.infrastructure?.message.services;
  if (services && !Object.hasOwn(services, service)) {
    throw unknownName("UNKNOWN_SERVICE", "service", service, Object.keys(services));
  }
}
