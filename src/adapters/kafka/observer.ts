import { HubError } from "../../errors.ts";
import type { KafkaObserver } from "../../health/observed-kafka.ts";
import type { KafkaAccess } from "./connect.ts";

/** Looks at the Kafka cluster behind these addresses. */
export async function openKafkaObserver(access: KafkaAccess): Promise<KafkaObserver> {
  return {
    observe: async () => {
      throw new HubError(
        "BROKER_UNAVAILABLE",
        `this hub cannot look at Kafka yet, at ${access.brokers.length} addresses`,
      );
    },
    close: async () => {},
  };
}
