import type { DataRoute } from "../../../gen/centralhub/config/v1/data_routes_pb.ts";
import type { Report } from "../../documents/findings.ts";
import type { DocumentSet } from "../document-set.ts";
import { Checker, listNames } from "./check.ts";

/** Infrastructure: everything that something depends on is there, and nothing depends on itself. */
export function checkInfrastructure(set: DocumentSet, report: Report): void {
  const doc = set.infrastructure;
  if (!doc) return;
  const check = new Checker(report, doc);
  const { components, services } = doc.message;
  for (const name of Object.keys(services)) {
    if (!Object.hasOwn(components, name)) continue;
    check.fail(
      "infrastructure.name_twice",
      ["services", name],
      `"${name}" is a component and a service`,
      "give one of the two another name",
    );
  }
  const known = new Set([...Object.keys(components), ...Object.keys(services)]);
  for (const [name, service] of Object.entries(services)) {
    for (const [index, needed] of service.dependsOn.entries()) {
      if (known.has(needed)) continue;
      check.fail(
        "infrastructure.dependency",
        ["services", name, "depends_on", index],
        `"${needed}" is neither a component nor a service; known are: ${listNames(known)}`,
        "declare it, or correct the name",
      );
    }
    const cycle = findCycle(name, (at) => services[at]?.dependsOn ?? []);
    if (cycle) {
      check.fail(
        "infrastructure.cycle",
        ["services", name, "depends_on"],
        `the service depends on itself: ${cycle.join(" → ")}`,
        "remove one of these dependencies",
      );
    }
  }
}

function findCycle(start: string, next: (name: string) => readonly string[]): string[] | undefined {
  const seen = new Set<string>();
  const visit = (name: string, trail: string[]): string[] | undefined => {
    for (const needed of next(name)) {
      if (needed === start) return [...trail, start];
      if (seen.has(needed)) continue;
      seen.add(needed);
      const found = visit(needed, [...trail, needed]);
      if (found) return found;
    }
    return undefined;
  };
  return visit(start, [start]);
}

/** Data routes: each event type and table has one owner, and topic and class exist and agree with the floors. */
export function checkDataRoutes(set: DocumentSet, report: Report): void {
  const doc = set.dataRoutes;
  if (!doc) return;
  const check = new Checker(report, doc);
  const topics = declaredTopics(set);
  const classes = set.compliance?.message.retentionClasses ?? {};
  const eventOwners = new Map<string, string>();
  const tableOwners = new Map<string, string>();
  for (const [name, route] of Object.entries(doc.message.dataTypes)) {
    const path = ["data_types", name];
    for (const [index, type] of route.eventTypes.entries()) {
      const owner = eventOwners.get(type);
      if (owner) {
        check.fail(
          "routes.event_type",
          [...path, "event_types", index],
          `"${type}" already belongs to ${owner}`,
          "let each event type belong to one data type",
        );
      }
      eventOwners.set(type, name);
    }
    const owner = tableOwners.get(route.table);
    if (owner) {
      check.fail(
        "routes.table",
        [...path, "table"],
        `"${route.table}" is already the table of ${owner}`,
        "give each data type its own table",
      );
    }
    tableOwners.set(route.table, name);
    if (route.topic && !topics.has(route.topic)) {
      check.fail(
        "routes.topic",
        [...path, "topic"],
        `"${route.topic}" is declared in no version; declared are: ${listNames(topics)}`,
        "declare the topic, or correct the name",
      );
    }
    checkStateTopic(set, check, [...path, "state_topic"], route);
    if (route.retentionClass && !Object.hasOwn(classes, route.retentionClass)) {
      check.fail(
        "routes.retention_class",
        [...path, "retention_class"],
        `"${route.retentionClass}" is not a retention class; known are: ${listNames(Object.keys(classes))}`,
        "declare the class in compliance.yaml, or correct the name",
      );
    }
  }
}

// What is to hold the latest state of each user keeps the last record of each key, and is no history.
function checkStateTopic(
  set: DocumentSet,
  check: Checker,
  path: readonly string[],
  { topic, stateTopic }: DataRoute,
): void {
  if (!stateTopic) return;
  if (stateTopic === topic) {
    check.fail(
      "routes.state_topic",
      path,
      `"${stateTopic}" is also the topic of the events, which a compacted topic does not keep`,
      "send the events to a topic of their own",
    );
    return;
  }
  const declared = [...set.versions.values()]
    .flatMap(({ kafka }) => Object.values(kafka?.message.topics ?? {}))
    .flatMap(({ topics }) => Object.values(topics))
    .filter(({ name }) => name === stateTopic);
  if (declared.length === 0) {
    check.fail(
      "routes.state_topic",
      path,
      `"${stateTopic}" is declared in no version; declared are: ${listNames(declaredTopics(set))}`,
      "declare the topic, or correct the name",
    );
  } else if (!declared.every(({ cleanupPolicy }) => cleanupPolicy === "compact")) {
    check.fail(
      "routes.state_topic",
      path,
      `"${stateTopic}" is not compacted, so the latest state of a user would be deleted with time`,
      "set its cleanup_policy to compact",
    );
  }
}

const namesIn = new WeakMap<DocumentSet, ReadonlySet<string>>();

/** Names of the topics that some version declares. */
export function declaredTopics(set: DocumentSet): ReadonlySet<string> {
  let names = namesIn.get(set);
  if (!names) {
    names = namesOf(set);
    namesIn.set(set, names);
  }
  return names;
}

function namesOf(set: DocumentSet): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { kafka } of set.versions.values()) {
    for (const { topics } of Object.values(kafka?.message.topics ?? {})) {
      for (const topic of Object.values(topics)) names.add(topic.name);
    }
  }
  return names;
}
