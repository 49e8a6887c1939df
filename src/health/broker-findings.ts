import {
  FindingSeverity,
  FindingType,
  type HealthFinding,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import type { DocumentSet } from "../config/document-set.ts";
import { adopt, finding, fixBroker } from "./findings.ts";
import type { ObservedKafka } from "./observed-kafka.ts";

/** Topics on the broker that no version declares, and what is to be said of the broker itself. */
export function brokerFindings(
  documents: DocumentSet,
  observed: ObservedKafka,
  ignored: ReadonlySet<string>,
): HealthFinding[] {
  const findings: HealthFinding[] = [];
  if (observed.autoCreate.isSeen && observed.autoCreate.value) findings.push(autoCreate());
  const declared = new Set<string>();
  for (const { kafka } of documents.versions.values()) {
    for (const { topics } of Object.values(kafka?.message.topics ?? {})) {
      for (const { name } of Object.values(topics)) declared.add(name);
    }
  }
  const undeclared = [...observed.topics.values()].filter(
    ({ name, isInternal }) =>
      !isInternal && !name.startsWith("__") && !declared.has(name) && !ignored.has(name),
  );
  return [...findings, ...undeclared.map(({ name }) => undeclaredTopic(name))];
}

// Made anew for each answer, because each is dated by itself.
function autoCreate(): HealthFinding {
  return finding({
    type: FindingType.AUTO_CREATE,
    severity: FindingSeverity.WARN,
    setting: "auto.create.topics.enable",
    expected: "false",
    actual: "true",
    message:
      "the brokers make a topic when a client first asks for it, so that one may come to be with the wrong partitions and retention",
    remedies: [
      fixBroker("set auto.create.topics.enable=false in the properties of every broker, and restart them"),
      adopt(
        "leave it, and declare every topic before a client uses it",
        "a setting of brokers is not declared in the hub",
      ),
    ],
  });
}

function undeclaredTopic(name: string): HealthFinding {
  return finding({
    type: FindingType.TOPIC_UNDECLARED,
    severity: FindingSeverity.WARN,
    resource: name,
    message: `${name} is on the broker and no version declares it`,
    remedies: [
      fixBroker(
        `delete it with Kafka's own tools, once nothing uses it: kafka-topics --delete --topic ${name}`,
        "the hub deletes only topics that it has made",
      ),
      adopt("run `central-hub import`, and publish what it writes for the topic"),
    ],
  });
}
