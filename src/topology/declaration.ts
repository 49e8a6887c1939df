import { declaredTopics } from "../config/checks/platform.ts";
import type { DocumentSet } from "../config/document-set.ts";
import { managedSettings } from "../health/stream-comparison.ts";
import { fingerprint } from "./fingerprints.ts";
import type { PlanOptions } from "./plan.ts";
import { newTopic } from "./topic-changes.ts";

/** What a plan takes from the documents, in a few characters: a revision that changes nothing of it changes no plan. */
export function declarationFingerprint(documents: DocumentSet, options: PlanOptions): string {
  const { version, systems, allowDelete } = options;
  const { kafka, nats } = documents.versions.get(version) ?? {};
  const topics = systems.includes("kafka")
    ? Object.values(kafka?.message.topics ?? {}).flatMap((domain) =>
        Object.values(domain.topics).map(newTopic),
      )
    : [];
  const streams = systems.includes("nats") ? Object.entries(nats?.message.streams ?? {}) : [];
  const names = allowDelete
    ? [...documents.versions.values()].map((one) => Object.keys(one.nats?.message.streams ?? {}))
    : [];
  return fingerprint([
    topics
      .map((topic) => [topic.name, topic.partitions, topic.replicationFactor, [...topic.settings]])
      .sort(),
    streams.map(([name, stream]) => [name, Object.entries(managedSettings(stream)).map(String)]).sort(),
    allowDelete ? [[...declaredTopics(documents)].sort(), names.flat().sort()] : [],
  ]);
}
