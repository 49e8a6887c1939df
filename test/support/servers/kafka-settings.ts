// What a broker for tests is set to: as small and as quick as it can be without another behaviour.

/** A member of the cluster, each of which is broker and controller, by its ports on the loopback interface. */
export interface KafkaNode {
  readonly id: number;
  readonly client: number;
  /** Among themselves and for their owner: no credentials, no limits. */
  readonly internal: number;
  readonly controller: number;
}

export interface KafkaSasl {
  /** Who may connect, with PLAIN: user and password. No one may do anything before an ACL says so. */
  readonly users: Readonly<Record<string, string>>;
  /** Of these, who needs no ACL. */
  readonly superUsers?: readonly string[];
}

/** The text of server.properties. Of two settings of one name, the last counts, so those of the caller come last. */
export function serverProperties(
  node: KafkaNode,
  nodes: readonly KafkaNode[],
  dataDirectory: string,
  sasl: KafkaSasl | undefined,
  own: Readonly<Record<string, string>>,
): string {
  const { id, client, internal, controller } = node;
  const copies = Math.min(nodes.length, 3);
  const inSync = Math.min(nodes.length, 2);
  const settings: Record<string, string | number | boolean> = {
    "process.roles": "broker,controller",
    "node.id": id,
    "controller.quorum.voters": nodes.map((each) => `${each.id}@127.0.0.1:${each.controller}`).join(","),
    listeners: `CLIENT://127.0.0.1:${client},INTERNAL://127.0.0.1:${internal},CONTROLLER://127.0.0.1:${controller}`,
    "advertised.listeners": `CLIENT://127.0.0.1:${client},INTERNAL://127.0.0.1:${internal}`,
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INTERNAL",
    "listener.security.protocol.map": `CLIENT:${sasl ? "SASL_PLAINTEXT" : "PLAINTEXT"},INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT`,
    "log.dirs": dataDirectory,
    "auto.create.topics.enable": false,
    "offsets.topic.num.partitions": 1,
    "offsets.topic.replication.factor": copies,
    "transaction.state.log.num.partitions": 1,
    "transaction.state.log.replication.factor": copies,
    "transaction.state.log.min.isr": inSync,
    "share.coordinator.state.topic.num.partitions": 1,
    "share.coordinator.state.topic.replication.factor": copies,
    "share.coordinator.state.topic.min.isr": inSync,
    // No waiting for what will not come: more members, more data, other brokers.
    "group.initial.rebalance.delay.ms": 0,
    "log.initial.task.delay.ms": 500,
    "log.retention.check.interval.ms": 1_000,
    "leader.imbalance.check.interval.seconds": 5,
    // A broker that is gone is seen to be gone, and one that comes again may come.
    "broker.heartbeat.interval.ms": 500,
    "broker.session.timeout.ms": 3_000,
    "replica.lag.time.max.ms": 6_000,
    "num.network.threads": 2,
    "num.io.threads": 2,
    "log.cleaner.dedupe.buffer.size": 4 * 1024 * 1024,
    ...(sasl && security(sasl)),
    ...own,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return `${lines.join("\n")}\n`;
}

// Brokers and their owner come by a listener without credentials: only there is anyone ANONYMOUS.
function security({ users, superUsers = [] }: KafkaSasl): Record<string, string> {
  const accounts = Object.entries(users).map(([user, password]) => ` user_${user}="${password}"`);
  return {
    "sasl.enabled.mechanisms": "PLAIN",
    "listener.name.client.plain.sasl.jaas.config": `org.apache.kafka.common.security.plain.PlainLoginModule required${accounts.join("")};`,
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": ["ANONYMOUS", ...superUsers].map((user) => `User:${user}`).join(";"),
  };
}
