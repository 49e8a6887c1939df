import type { KafkaTopic } from "../../../gen/centralhub/config/v1/kafka_pb.ts";
import type { Report } from "../../documents/findings.ts";
import type { DocumentSet } from "../document-set.ts";
import { Checker, listNames } from "./check.ts";
import { declaredTopics } from "./platform.ts";

const MS_PER_DAY = 86_400_000;

/** Compliance: rules name what exists, and whatever they name keeps its records to the floor. */
export function checkCompliance(set: DocumentSet, now: number, report: Report): void {
  const doc = set.compliance;
  if (!doc) return;
  const check = new Checker(report, doc);
  const { rules, retentionClasses } = doc.message;
  const topics = declaredTopics(set);
  for (const [name, rule] of Object.entries(rules)) {
    for (const [index, topic] of rule.topics.entries()) {
      if (topics.has(topic)) continue;
      check.fail(
        "compliance.topic",
        ["rules", name, "topics", index],
        `"${topic}" is declared in no version; declared are: ${listNames(topics)}`,
        "declare the topic, or correct the name",
      );
    }
  }
  for (const [name, item] of Object.entries(retentionClasses)) {
    for (const [index, rule] of item.rules.entries()) {
      const floor = rules[rule]?.retentionFloorMs;
      const path = ["retention_classes", name, "rules", index];
      if (floor === undefined) {
        check.fail(
          "compliance.rule",
          path,
          `"${rule}" is not a rule; known are: ${listNames(Object.keys(rules))}`,
          "declare the rule, or correct the name",
        );
      } else if (item.retentionMs !== -1n && item.retentionMs < floor) {
        check.fail(
          "compliance.class_floor",
          path,
          `the class keeps data ${days(item.retentionMs)}, the floor of ${rule} is ${days(floor)}`,
          `set retention_ms to ${floor} at least`,
        );
      }
    }
  }
  checkWaivers(set, check, now);
  checkTopicFloors(set, now, report);
  checkRouteFloors(set, now, report);
}

function checkWaivers(set: DocumentSet, check: Checker, now: number): void {
  const { rules = {}, waivers = {} } = set.compliance?.message ?? {};
  for (const [name, waiver] of Object.entries(waivers)) {
    const path = ["waivers", name];
    const rule = Object.hasOwn(rules, waiver.rule) ? rules[waiver.rule] : undefined;
    if (!rule?.topics.includes(waiver.topic)) {
      check.fail(
        "compliance.waiver",
        path,
        `${waiver.rule} sets no floor for ${waiver.topic}, so there is nothing to waive`,
        "name a rule and one of its topics",
      );
    }
    if (Number.isNaN(expiryOf(waiver.expires))) {
      check.fail(
        "compliance.waiver_expiry",
        [...path, "expires"],
        `"${waiver.expires}" is not a day`,
        "write a day such as 2027-03-31",
      );
    } else if (expiryOf(waiver.expires) <= now) {
      check.warn(
        "compliance.waiver_expired",
        [...path, "expires"],
        `the waiver expired after ${waiver.expires} and no longer counts`,
        "remove it; the floor holds again",
      );
    }
  }
}

/** The end of the day named, in UTC; NaN when there is no such day, which Date.parse takes for one of the next month. */
export function expiryOf(day: string): number {
  const start = Date.parse(`${day}T00:00:00Z`);
  const isDay = !Number.isNaN(start) && new Date(start).toISOString().startsWith(day);
  return isDay ? start + MS_PER_DAY : Number.NaN;
}

/** A retention floor that holds for a topic, with its rule's name. */
export interface Floor {
  readonly rule: string;
  readonly floorMs: bigint;
  /** When the time starts to run: "event" or "account_closed". */
  readonly clockStart: string;
  /** Where the rule's text is found. */
  readonly sources: readonly string[];
}

/** Every floor that holds for a topic at a time, waivers considered, in the order of the rules. */
export function floorsOf(set: DocumentSet, topic: string, now: number): Floor[] {
  const { rules = {}, waivers = {} } = set.compliance?.message ?? {};
  const floors: Floor[] = [];
  for (const [rule, { retentionFloorMs, topics, clockStart, sources }] of Object.entries(rules)) {
    if (!topics.includes(topic)) continue;
    const waived = Object.values(waivers)
      .filter((waiver) => waiver.rule === rule && waiver.topic === topic && expiryOf(waiver.expires) > now)
      .map((waiver) => waiver.retentionFloorMs);
    const floorMs = [retentionFloorMs, ...waived].reduce((least, floor) => (floor < least ? floor : least));
    floors.push({ rule, floorMs, clockStart, sources });
  }
  return floors;
}

/** The highest floor that holds for a topic at a time, waivers considered. */
export function floorOf(set: DocumentSet, topic: string, now: number): Floor | undefined {
  const floors = floorsOf(set, topic, now);
  return floors.reduce<Floor | undefined>(
    (highest, floor) => (!highest || floor.floorMs > highest.floorMs ? floor : highest),
    undefined,
  );
}

function checkTopicFloors(set: DocumentSet, now: number, report: Report): void {
  for (const { kafka } of set.versions.values()) {
    if (!kafka) continue;
    const check = new Checker(report, kafka);
    for (const [domain, { topics }] of Object.entries(kafka.message.topics)) {
      for (const [key, topic] of Object.entries(topics)) {
        const floor = floorOf(set, topic.name, now);
        if (floor) checkFloor(check, ["topics", domain, key], topic, floor);
      }
    }
  }
}

function checkFloor(check: Checker, path: string[], topic: KafkaTopic, floor: Floor): void {
  const { rule, floorMs } = floor;
  if (topic.retentionMs !== -1n && topic.retentionMs < floorMs) {
    check.fail(
      "compliance.retention",
      [...path, "retention_ms"],
      `${topic.name} keeps records ${days(topic.retentionMs)}, the floor of ${rule} is ${days(floorMs)}`,
      `set retention_ms to ${floorMs} at least, to -1, or add a waiver that expires`,
    );
  }
  if (topic.cleanupPolicy.includes("compact")) {
    check.fail(
      "compliance.cleanup_policy",
      [...path, "cleanup_policy"],
      `compaction removes all but the last record of a key, which the floor of ${rule} does not allow`,
      'set cleanup_policy to "delete"',
    );
  }
  if (topic.retentionBytes !== undefined && topic.retentionBytes !== -1n) {
    check.fail(
      "compliance.retention_bytes",
      [...path, "retention_bytes"],
      `a limit of ${topic.retentionBytes} bytes can remove records before the floor of ${rule}, whatever retention_ms says`,
      "set retention_bytes to -1",
    );
  }
}

function checkRouteFloors(set: DocumentSet, now: number, report: Report): void {
  const doc = set.dataRoutes;
  if (!doc) return;
  const check = new Checker(report, doc);
  for (const [name, route] of Object.entries(doc.message.dataTypes)) {
    const floor = floorOf(set, route.topic, now);
    const kept = set.compliance?.message.retentionClasses[route.retentionClass]?.retentionMs;
    if (!floor || kept === undefined || kept === -1n || kept >= floor.floorMs) continue;
    check.fail(
      "compliance.route_floor",
      ["data_types", name, "retention_class"],
      `stored ${name} are kept ${days(kept)}, the floor of ${floor.rule} for ${route.topic} is ${days(floor.floorMs)}`,
      "choose a class that keeps data as long as the floor",
    );
  }
}

/** A length of time, for people. */
export function days(ms: bigint): string {
  return `${ms} ms (${Math.round((Number(ms) / MS_PER_DAY) * 100) / 100} days)`;
}
