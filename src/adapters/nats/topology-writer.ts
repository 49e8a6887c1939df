import { HubError } from "../../errors.ts";
import type { NatsTopology } from "../../topology/ports.ts";

/** Changes streams of the NATS server or cluster at an address, a URL that may hold secrets. */
export async function openNatsTopology(_address: string): Promise<NatsTopology> {
  throw new HubError("BROKER_UNAVAILABLE", "this hub cannot change streams yet");
}
