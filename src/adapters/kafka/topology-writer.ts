import { HubError } from "../../errors.ts";
import type { KafkaTopology } from "../../topology/ports.ts";
import type { KafkaAccess } from "./connect.ts";

/** Changes topics of a Kafka cluster. */
export async function openKafkaTopology(_access: KafkaAccess): Promise<KafkaTopology> {
  throw new HubError("BROKER_UNAVAILABLE", "this hub cannot change topics yet");
}
