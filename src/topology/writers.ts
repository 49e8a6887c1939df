import { HubError } from "../errors.ts";
import type { Health } from "../health/health.ts";
import type { Target } from "../health/targets.ts";
import type { Writers } from "./carry-out.ts";
import type { KafkaTopology, NatsTopology, TopologyPorts } from "./ports.ts";

/** What brokers are changed through, each opened when the first change asks for it. */
export class OpenWriters implements Writers {
  readonly #health: Health;
  readonly #ports: TopologyPorts;
  #kafka: Promise<KafkaTopology> | undefined;
  #nats: Promise<NatsTopology> | undefined;

  constructor({ health, ports }: { readonly health: Health; readonly ports: TopologyPorts }) {
    this.#health = health;
    this.#ports = ports;
  }

  kafka(): Promise<KafkaTopology> {
    this.#kafka ??= this.#ports.openKafka(configured("Kafka", this.#health.kafka.target));
    return this.#kafka;
  }

  nats(): Promise<NatsTopology> {
    this.#nats ??= this.#ports.openNats(configured("NATS", this.#health.nats.target));
    return this.#nats;
  }

  async close(): Promise<void> {
    const open = await Promise.allSettled([this.#kafka, this.#nats]);
    await Promise.all(open.map((one) => (one.status === "fulfilled" ? one.value?.close() : undefined)));
  }
}

function configured(system: string, target: Target | undefined): Target {
  if (target) return target;
  throw new HubError("NOT_CONFIGURED", `${system} has no address any more; plan again`);
}
