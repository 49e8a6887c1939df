import type { LiveConfig } from "../config/live-config.ts";
import { ComponentBoard } from "./component-board.ts";
import { groupMatcher } from "./group-names.ts";
import { groupNames, KafkaInspection } from "./kafka-inspection.ts";
import { NatsInspection } from "./nats-inspection.ts";
import type { KafkaObserver, KafkaQuestion, ObservedKafka } from "./observed-kafka.ts";
import type { NatsObserver, ObservedNats } from "./observed-nats.ts";
import type { OpenProbe } from "./probe.ts";
import { SystemWatch } from "./system-watch.ts";
import { mainTarget, type Overrides, type Target, targetsOf } from "./targets.ts";

/** The outside world, as far as health looks at it. Each is opened when it is first needed. */
export interface HealthPorts {
  readonly openProbe: OpenProbe;
  openKafka(target: Target): Promise<KafkaObserver>;
  openNats(target: Target): Promise<NatsObserver>;
}

/** Everything that is known of how the platform is. Follows the documents: what they add is looked at from then on. */
export class Health {
  /** Every component of the platform, by its probe. */
  readonly components: ComponentBoard;
  /** The Kafka cluster that declarations are held against. */
  readonly kafka: SystemWatch<ObservedKafka>;
  /** The NATS server or cluster that declarations are held against. */
  readonly nats: SystemWatch<ObservedNats>;
  /** What is declared of Kafka against what was seen of it. */
  readonly kafkaInspection: KafkaInspection;
  /** Declared streams against that server. */
  readonly natsInspection: NatsInspection;
  readonly #live: LiveConfig;
  readonly #overrides: Overrides;
  readonly #stopFollowing: () => void;

  /** `ownTopics` are Kafka topics that the hub itself makes; `liveInstances` tells how many of a service there are. */
  constructor(
    live: LiveConfig,
    overrides: Overrides,
    ports: HealthPorts,
    ownTopics: ReadonlySet<string> = new Set(),
    liveInstances: (service: string) => number = () => 0,
  ) {
    this.#live = live;
    this.#overrides = overrides;
    this.components = new ComponentBoard({
      log: live.log,
      logAddress: overrides.revisionLog ?? "",
      openProbe: ports.openProbe,
      liveInstances,
    });
    this.kafka = new SystemWatch(async (target) => {
      const observer = await ports.openKafka(target);
      return {
        observe: (signal) => observer.observe(this.#kafkaQuestion(), signal),
        close: () => observer.close(),
      };
    });
    this.nats = new SystemWatch((target) => ports.openNats(target));
    this.natsInspection = new NatsInspection(live, this.nats);
    this.kafkaInspection = new KafkaInspection(live, this.kafka, ownTopics);
    this.#aim();
    this.#stopFollowing = live.onSnapshot(() => this.#aim());
  }

  /** Ends all looks and gives everything back. */
  async stop(): Promise<void> {
    this.#stopFollowing();
    this.kafkaInspection.stop();
    this.natsInspection.stop();
    await Promise.all([this.components.stop(), this.kafka.stop(), this.nats.stop()]);
  }

  #aim(): void {
    const { infrastructure } = this.#live.manager.snapshot.documents;
    const targets = targetsOf(infrastructure?.message, this.#overrides);
    this.components.aim(targets, infrastructure?.message);
    this.kafka.aim(mainTarget(targets, "kafka"));
    this.nats.aim(mainTarget(targets, "nats"));
  }

  // What any version declares: one look serves the answers for all of them.
  #kafkaQuestion(): KafkaQuestion {
    const names = new Set<string>();
    const { documents } = this.#live.manager.snapshot;
    for (const { kafka } of documents.versions.values()) {
      for (const { topics } of Object.values(kafka?.message.topics ?? {})) {
        for (const { name } of Object.values(topics)) names.add(name);
      }
    }
    const match = groupMatcher(groupNames(documents));
    // Before the many of one pattern come those that are declared by name, and those of whom nobody knows.
    const rankOfGroup = (name: string): number => {
      const declared = match(name);
      return declared === name ? 0 : declared === undefined ? 1 : 2;
    };
    return { topics: [...names], rankOfGroup };
  }
}
