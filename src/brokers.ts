import { openApplyLock } from "./adapters/files/apply-lock.ts";
import { openOwnershipFile } from "./adapters/files/ownership-file.ts";
import type { EventPublisher } from "./data/outbox.ts";
import type { HealthPorts } from "./health/health.ts";
import type { Probe } from "./health/probe.ts";
import { mainTarget, type Overrides, type Target, targetsOf } from "./health/targets.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Settings } from "./settings/settings.ts";
import type { TopologyPorts } from "./topology/ports.ts";

// Drivers are loaded when something is configured that needs them: most of a hub's start is the loading of files.

/** What the settings say of where things are. */
export function brokerOverrides(settings: Settings): Overrides {
  const { kafkaBrokers, natsUrl, zookeeperConnect, databaseUrl, natsMonitorUrl, revisionLog } = settings;
  const addresses = {
    kafka: kafkaBrokers,
    nats: natsUrl,
    zookeeper: zookeeperConnect,
    postgres: databaseUrl,
  };
  return { addresses, natsMonitorUrl, revisionLog };
}

/** Opens what looks at the outside world. */
export function brokerPorts(settings: Settings): HealthPorts {
  return {
    openProbe: (target) => openProbe(target, settings),
    openKafka: async ({ address }) => {
      const { openKafkaObserver } = await import("./adapters/kafka/observer.ts");
      const { kafkaAccess } = await import("./adapters/kafka/connect.ts");
      return await openKafkaObserver(await kafkaAccess(address, settings));
    },
    openNats: async (target) => (await import("./adapters/nats/observer.ts")).openNatsObserver(target),
  };
}

async function openProbe(target: Target, settings: Settings): Promise<Probe> {
  switch (target.kind) {
    case "kafka": {
      const [{ kafkaAccess }, { openKafkaProbe }] = await Promise.all([
        import("./adapters/kafka/connect.ts"),
        import("./adapters/kafka/probe.ts"),
      ]);
      const access = await kafkaAccess(target.address, settings);
      return openKafkaProbe(target, access, settings.kafkaRoundTripTopic);
    }
    case "nats": {
      const { get } = await import("./adapters/network/get.ts");
      return (await import("./adapters/nats/probe.ts")).openNatsProbe(target, get);
    }
    case "zookeeper": {
      const { exchange } = await import("./adapters/network/dial.ts");
      return (await import("./adapters/zookeeper/probe.ts")).openZooKeeperProbe(target, exchange);
    }
    case "postgres":
      return (await import("./adapters/postgres/probe.ts")).openPostgresProbe(target);
    case "http":
      return (await import("./adapters/network/http-probe.ts")).openHttpProbe(target);
    case "tcp":
      return (await import("./adapters/network/tcp-probe.ts")).openTcpProbe(target);
  }
}

/** What sends user events to Kafka; undefined when neither the settings nor the documents say where that is. */
export async function eventPublisher(
  settings: Settings,
  infrastructure: Parameters<typeof targetsOf>[0],
): Promise<EventPublisher | undefined> {
  const target = mainTarget(targetsOf(infrastructure, brokerOverrides(settings)), "kafka");
  if (!target) return undefined;
  const [{ kafkaAccess }, { openEventPublisher }] = await Promise.all([
    import("./adapters/kafka/connect.ts"),
    import("./adapters/kafka/event-publisher.ts"),
  ]);
  try {
    return openEventPublisher(await kafkaAccess(target.address, settings));
  } catch (error) {
    // An address that is none keeps the hub from nothing else; events wait until it is mended.
    const failure = { isOfTopic: true, reason: error instanceof Error ? error.message : String(error) };
    return {
      publish: async (_topic, events) => events.map(() => failure),
      close: async () => {},
    };
  }
}

/** What plans are carried out through. Hubs that share a log share the lock, and the records of what they made. */
export async function topologyPorts(settings: Settings, lifecycle: Lifecycle): Promise<TopologyPorts> {
  const agreement =
    settings.revisionLog === "file"
      ? { lock: openApplyLock(), ownership: openOwnershipFile(settings.dataDir) }
      : await sharedAgreement(settings.revisionLog, lifecycle);
  return {
    openKafka: async ({ address }) => {
      const [{ kafkaAccess }, { openKafkaTopology }] = await Promise.all([
        import("./adapters/kafka/connect.ts"),
        import("./adapters/kafka/topology-writer.ts"),
      ]);
      return await openKafkaTopology(await kafkaAccess(address, settings));
    },
    openNats: async (target) => (await import("./adapters/nats/topology-writer.ts")).openNatsTopology(target),
    ...agreement,
  };
}

async function sharedAgreement(
  url: string,
  lifecycle: Lifecycle,
): Promise<Pick<TopologyPorts, "lock" | "ownership">> {
  const [{ HubBucket }, { openApplyLease }, { openOwnershipBucket }] = await Promise.all([
    import("./adapters/nats/hub-bucket.ts"),
    import("./adapters/nats/apply-lock.ts"),
    import("./adapters/nats/ownership-bucket.ts"),
  ]);
  const bucket = new HubBucket(url);
  lifecycle.defer(() => bucket.close());
  return { lock: openApplyLease(bucket), ownership: openOwnershipBucket(bucket) };
}
