import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ChangeAction, ChangeRisk } from "../../gen/centralhub/topology/v1/topology_pb.ts";
import { floorOf } from "../../src/config/checks/compliance.ts";
import type { DocumentSet } from "../../src/config/document-set.ts";
import { compile } from "../../src/config/snapshot.ts";
import type { ObservedKafka, ObservedTopic } from "../../src/health/observed-kafka.ts";
import { seen, unseen } from "../../src/health/seen.ts";
import { makePlan, type Plan, type PlanSources } from "../../src/topology/plan.ts";
import type { OwnedResource } from "../../src/topology/ports.ts";
import { edited, SHIPPED, withFiles } from "../config/documents.ts";
import { LOOKED_AT, observedStream } from "../health/observed-stream.ts";
import { KAFKA_DEFAULTS, observedTopic, placed, settingsFrom } from "../health/observed-topic.ts";
import { afterPlan, kafkaOf, natsOf } from "./model.ts";

const DAY = 86_400_000;
const shipped = compile(SHIPPED).documents;
const FILE = "phase2/messaging/kafka.json";

function plan(
  kafka: ObservedKafka,
  over: Partial<PlanSources & { allowDelete: boolean; stepMs: bigint }> = {},
): Plan {
  const { allowDelete = false, stepMs, ...sources } = over;
  const live = { kafka: new Map<string, number>(), nats: new Map<string, number>() };
  return makePlan(
    { version: "phase2", systems: ["kafka", "nats"], allowDelete, stepMs },
    {
      ...{
        documents: shipped,
        kafka,
        nats: undefined,
        owned: [],
        ownTopics: new Set<string>(),
        time: LOOKED_AT,
      },
      impact: { live, components: { kafka: "kafka", nats: "nats" } },
      ...sources,
    },
  );
}

/** The whole of what is declared, as brokers have it after a first plan. */
const whole = afterPlan(plan(kafkaOf([]), { nats: natsOf([]) }), kafkaOf([]), natsOf([]));

/** The same with one topic that is otherwise. */
function withTopic(
  name: string,
  settings: Record<string, string>,
  over: Partial<ObservedTopic> = {},
): ObservedKafka {
  const topic = whole.kafka.topics.get(name);
  if (!topic?.settings.isSeen) throw new Error(`${name} is not there`);
  const own = new Map([...topic.settings.value, ...settingsFrom("topic", settings)]);
  const changed = { ...topic, settings: seen(own), ...over };
  return { ...whole.kafka, topics: new Map([...whole.kafka.topics, [name, changed]]) };
}

const old = (days: number): Partial<ObservedTopic> => ({
  offsets: seen([{ partition: 0, earliest: 0n, latest: 9n, oldestTime: LOOKED_AT - days * DAY }]),
});

/** A plan in short: id, risk and settings of each change. */
function short({ changes }: Plan): string[] {
  return changes.map(({ change }) => {
    const risk = change.action === ChangeAction.IMPOSSIBLE ? "" : ` ${nameOf(change.risk)}`;
    const settings = change.settings.map(({ name, before, after }) => `${name} ${before}>${after}`);
    return `${change.id}${risk} ${settings.join(" ")}${change.stepsLeft > 0 ? ` +${change.stepsLeft}` : ""}`;
  });
}

function nameOf(risk: ChangeRisk): string {
  return Object.entries(ChangeRisk).find(([, value]) => value === risk)?.[0] ?? "";
}

describe("a plan", () => {
  it("makes everything on an empty broker, and nothing on one that is as declared", () => {
    const first = plan(kafkaOf([]), { nats: natsOf([]) });
    expect(first.changes.map(({ change }) => change.id).slice(0, 2)).toEqual([
      ...["kafka/system.audit/create", "kafka/user.auth/create"],
    ]);
    expect(first.changes).toHaveLength(12);
    const next = plan(whole.kafka, { nats: whole.nats });
    expect(next.changes).toEqual([]);
    expect(next.unchanged).toBe(12);
  });

  it("is the same for the same state, whatever the order in which it was seen", () => {
    const drifted = withTopic("user.auth", { "retention.ms": "1" }, { partitions: placed(2) });
    const turned = { ...drifted, topics: new Map([...drifted.topics].reverse()) };
    const entry = ({ change, before, after }: Plan["changes"][number]) => [change, before, after];
    expect(plan(turned).changes.map(entry)).toEqual(plan(drifted).changes.map(entry));
  });

  it.each<[string, ObservedKafka, string[]]>([
    [
      "retention that is too short",
      withTopic("user.auth", { "retention.ms": "3600000" }),
      ["kafka/user.auth/alter SAFE retention.ms 3600000>7776000000"],
    ],
    [
      "retention that is too long, with records of all ages: in steps",
      withTopic("user.auth", { "retention.ms": String(720 * DAY) }, old(700)),
      [`kafka/user.auth/alter DESTRUCTIVE retention.ms ${720 * DAY}>${360 * DAY} +2`],
    ],
    [
      "retention that is too long, with young records only: at once",
      withTopic("user.auth", { "retention.ms": String(720 * DAY) }, old(3)),
      [`kafka/user.auth/alter DESTRUCTIVE retention.ms ${720 * DAY}>${90 * DAY}`],
    ],
    [
      "no limit where there is to be one: first as much as is there",
      withTopic("user.auth", { "retention.ms": "-1" }, old(200)),
      [`kafka/user.auth/alter DESTRUCTIVE retention.ms -1>${201 * DAY} +2`],
    ],
    [
      "no limit, and ages that nobody could see: steps from the beginning of time",
      withTopic("user.auth", { "retention.ms": "-1" }, { offsets: unseen("no right") }),
      [`kafka/user.auth/alter DESTRUCTIVE retention.ms -1>${(Math.ceil(LOOKED_AT / DAY) + 1) * DAY} +8`],
    ],
    [
      "a policy that compacts where records are to be removed by age",
      withTopic("user.auth", { "cleanup.policy": "compact", "retention.ms": "7776000000" }, old(400)),
      [
        `kafka/user.auth/alter DESTRUCTIVE cleanup.policy compact>delete retention.ms 7776000000>${401 * DAY} +3`,
      ],
    ],
    [
      "a policy that removes where the last of each key is to be kept",
      withTopic("user.settings", { "cleanup.policy": "delete" }),
      ["kafka/user.settings/alter DESTRUCTIVE cleanup.policy delete>compact"],
    ],
    [
      "fewer partitions",
      withTopic("user.trades", {}, { partitions: placed(4) }),
      ["kafka/user.trades/partitions CAUTION partitions 4>6"],
    ],
    [
      "more partitions",
      withTopic("user.trades", {}, { partitions: placed(8) }),
      ["kafka/user.trades/impossible/partitions partitions 8>6"],
    ],
    [
      "a limit of bytes where a floor forbids one",
      withTopic("user.trades", { "retention.bytes": "7" }),
      ["kafka/user.trades/alter SAFE retention.bytes 7>-1"],
    ],
    [
      "settings that nobody declares",
      withTopic("user.auth", { "segment.ms": "5", "min.insync.replicas": "2", "retention.bytes": "7" }),
      [],
    ],
    [
      "partitions and a setting of one topic, in this order",
      withTopic("user.auth", { "retention.ms": "5" }, { partitions: placed(1) }),
      [
        "kafka/user.auth/partitions CAUTION partitions 1>3",
        "kafka/user.auth/alter SAFE retention.ms 5>7776000000",
      ],
    ],
    ["what could not be seen", withTopic("user.auth", {}, { settings: unseen("no right") }), []],
  ])("with %s", (_name, kafka, expected) => {
    expect(short(plan(kafka))).toEqual(expected);
  });

  it("says what was left out because it could not be seen, and does not count it as unchanged", () => {
    const { findings, unchanged } = plan(withTopic("user.auth", {}, { settings: unseen("no right") }));
    expect(findings.map(({ message }) => message).join()).toMatch(/user\.auth.*no right/);
    expect(unchanged).toBe(9);
  });

  it("warns strongly when partitions are added to a compacted topic", () => {
    const { changes } = plan(withTopic("user.settings", {}, { partitions: placed(2) }));
    expect(changes[0]?.change.warnings[0]).toMatch(/compacted.*an old value of a key stays/);
  });

  it("goes by the floors as they are now: a waiver that has expired since forbids what was published", () => {
    const waived = edited(
      [
        [
          FILE,
          '"retention_ms": 220903200000,\n        "retention_bytes": -1,\n        "cleanup_policy": "delete",\n        "description": "Trading',
          `"retention_ms": ${30 * DAY},\n        "retention_bytes": -1,\n        "cleanup_policy": "delete",\n        "description": "Trading`,
        ],
      ],
      withFiles({
        "compliance.yaml": `${SHIPPED.get("compliance.yaml")}
waivers:
  trial:
    rule: FINRA_4511
    topic: user.commands
    retention_floor_ms: ${30 * DAY}
    reason: a trial with made-up users
    approved_by: the head of compliance
    expires: 2026-06-30
`,
      }),
    );
    const { documents, report } = compile(waived, LOOKED_AT);
    const fails = report.findings.filter(({ severity }) => severity === "FAIL");
    expect(fails.map(({ rule }) => rule).filter((rule) => rule !== "compliance.route_floor")).toEqual([]);
    const empty = { ...whole.kafka, topics: new Map(whole.kafka.topics) };
    const during = plan(empty, { documents });
    expect(short(during)).toEqual([
      `kafka/user.commands/alter DESTRUCTIVE retention.ms 220903200000>${30 * DAY}`,
    ]);
    const after = plan(empty, { documents, time: Date.parse("2026-07-01T00:00:00Z") });
    expect(short(after)).toEqual(["kafka/user.commands/impossible/retention.ms retention.ms 220903200000>"]);
    empty.topics.delete("user.commands");
    const made = plan(empty, { documents, time: Date.parse("2026-07-01T00:00:00Z") });
    expect(made.changes[0]?.change.impossibleReason).toMatch(/FINRA_4511/);
  });
});

describe("removals", () => {
  const gone = observedTopic({}, { name: "user.gone", id: "gone-1" });
  const mine: OwnedResource = {
    system: "kafka",
    clusterId: "kafka-1",
    name: "user.gone",
    incarnation: "gone-1",
  };
  const kafka = { ...whole.kafka, topics: new Map([...whole.kafka.topics, ["user.gone", gone]]) };
  const reader = (members: number) =>
    seen(
      new Map([
        [
          "late",
          {
            name: "late",
            state: "Stable",
            members: seen(members),
            topics: ["user.gone"],
            committed: seen([]),
          },
        ],
      ]),
    );

  it.each<[string, Partial<ObservedKafka>, Parameters<typeof plan>[1], string[]]>([
    ["are not planned unless asked for", {}, { owned: [mine] }, []],
    [
      "are planned last for what the hub made",
      {},
      { owned: [mine], allowDelete: true },
      ["kafka/user.gone/delete DESTRUCTIVE "],
    ],
    ["are not planned for what it did not make", {}, { owned: [], allowDelete: true }, []],
    [
      "are not planned for another of the same name",
      {},
      { owned: [{ ...mine, incarnation: "gone-0" }], allowDelete: true },
      [],
    ],
    [
      "are not planned for one of another cluster",
      {},
      { owned: [{ ...mine, clusterId: "other" }], allowDelete: true },
      [],
    ],
    [
      "are impossible while somebody reads",
      { groups: reader(1) },
      { owned: [mine], allowDelete: true },
      ["kafka/user.gone/impossible/delete "],
    ],
    [
      "are impossible while nobody knows who reads",
      { groups: unseen("no right") },
      { owned: [mine], allowDelete: true },
      ["kafka/user.gone/impossible/delete "],
    ],
    [
      "are possible once readers are gone",
      { groups: reader(0) },
      { owned: [mine], allowDelete: true },
      ["kafka/user.gone/delete DESTRUCTIVE "],
    ],
  ])("%s", (_name, over, sources, expected) => {
    expect(short(plan({ ...kafka, ...over }, sources))).toEqual(expected);
  });

  it("never touch what any version declares, Kafka's own topics, or streams of JetStream and of hubs", () => {
    const internal = observedTopic({}, { name: "__consumer_offsets", isInternal: true });
    const nats = natsOf([
      ...["KV_settings", "CENTRAL_HUB_REVISIONS"].map((name) =>
        observedStream({
          name,
          subjects: [name.startsWith("KV") ? "$KV.settings.>" : "centralhub.revisions.X"],
        }),
      ),
    ]);
    const made = { ...whole.kafka, topics: new Map([...whole.kafka.topics, [internal.name, internal]]) };
    const { changes, findings } = plan(made, { allowDelete: true, nats });
    expect(changes.filter(({ change }) => change.action === ChangeAction.DELETE)).toEqual([]);
    expect(findings).toEqual([]);
  });
});

describe("impact", () => {
  it("names services, groups, users and data types", () => {
    const names = ["websocket_alice", "websocket_bob", "trading_engine", "stray"];
    const groups = names.map((name) => {
      const topics = ["user.trades"];
      return [name, { name, state: "Stable", members: seen(1), topics, committed: seen([]) }] as const;
    });
    const drifted = withTopic("user.trades", { "retention.ms": "5" });
    const live = { kafka: new Map([["trading-engine", 3]]), nats: new Map() };
    const { changes } = plan(
      { ...drifted, groups: seen(new Map(groups)) },
      { impact: { live, components: { kafka: "kafka" } } },
    );
    const impact = changes[0]?.change.impact;
    expect(impact?.consumerGroups).toEqual([
      ...["audit_service", "stray", "trading_engine", "websocket_{user_id}"],
    ]);
    expect([impact?.tenants, impact?.tenantCount]).toEqual([["alice", "bob"], 2]);
    expect(impact?.dataTypes).toEqual(["trades"]);
    expect(impact?.services.find(({ name }) => name === "trading-engine")).toMatchObject({
      reason: "it depends on kafka; 3 live instances follow phase2 kafka",
      liveInstances: 3,
    });
  });
});

/** A state that a topic may be found in. */
const drift = fc.record({
  partitions: fc.integer({ min: 1, max: 9 }),
  retention: fc.oneof(
    fc.constant(-1),
    fc.integer({ min: 1, max: 5000 }).map((days) => days * DAY),
  ),
  bytes: fc.oneof(fc.constant("-1"), fc.integer({ min: 1, max: 2 ** 40 }).map(String)),
  policy: fc.constantFrom("delete", "compact", "compact,delete", "delete,compact"),
  age: fc.oneof(fc.constant(undefined), fc.integer({ min: 0, max: 6000 })),
  segment: fc.integer({ min: 1, max: 100 }),
});

function found(
  name: string,
  state: typeof drift extends fc.Arbitrary<infer State> ? State : never,
): ObservedTopic {
  const own = settingsFrom("topic", {
    ...{ "retention.ms": String(state.retention), "retention.bytes": state.bytes },
    ...{ "cleanup.policy": state.policy, "segment.ms": String(state.segment) },
  });
  const oldestTime = state.age === undefined ? undefined : LOOKED_AT - state.age * DAY;
  return observedTopic(
    {},
    {
      ...{ name, id: `found-${name}`, partitions: placed(state.partitions) },
      settings: seen(new Map([...KAFKA_DEFAULTS, ...own])),
      offsets: seen([{ partition: 0, earliest: 0n, latest: 1n, oldestTime }]),
    },
  );
}

function retentionOf(topic: ObservedTopic | undefined): bigint {
  const settings = topic?.settings.isSeen ? topic.settings.value : new Map();
  if (!settings.get("cleanup.policy")?.value.includes("delete")) return -1n;
  return BigInt(settings.get("retention.ms")?.value ?? "-1");
}

describe("plans carried out one after the other", () => {
  it("make any state as declared, never below a floor, with never fewer partitions and no other setting touched", () => {
    const names = [...whole.kafka.topics.keys()];
    const some = fc.dictionary(fc.constantFrom(...names), drift, { maxKeys: 4 });
    fc.assert(
      fc.property(some, fc.boolean(), (states, hasStep) => {
        const topics = Object.entries(states).map(([name, state]) => found(name, state));
        let kafka = kafkaOf(topics);
        const step = hasStep ? { stepMs: BigInt(200 * DAY) } : {};
        for (let applies = 0; ; applies++) {
          const now = plan(kafka, { documents: shipped, ...step });
          const open = now.changes.filter(({ act }) => act !== undefined);
          if (open.length === 0) return;
          expect(applies).toBeLessThan(40);
          const before = kafka;
          kafka = afterPlan(now, kafka, natsOf([])).kafka;
          check(shipped, before, kafka);
        }
      }),
      { numRuns: 200 },
    );
  });
});

function check(documents: DocumentSet, before: ObservedKafka, after: ObservedKafka): void {
  for (const [name, topic] of after.topics) {
    const was = before.topics.get(name);
    if (!was) continue;
    expect(topic.partitions.length).toBeGreaterThanOrEqual(was.partitions.length);
    const value = (one: ObservedTopic): string =>
      one.settings.isSeen ? (one.settings.value.get("segment.ms")?.value ?? "") : "";
    expect(value(topic)).toBe(value(was));
    const floor = floorOf(documents, name, LOOKED_AT)?.floorMs ?? 0n;
    const [from, to] = [retentionOf(was), retentionOf(topic)];
    const shrinks = to !== -1n && (from === -1n || to < from);
    if (shrinks) expect(to).toBeGreaterThanOrEqual(floor);
  }
}

/** Settings that a stream may be found with. */
const streamDrift = fc.record({
  maxAge: fc.bigInt({ min: 0n, max: 10n ** 10n }),
  maxMsgs: fc.bigInt({ min: 0n, max: 10n ** 9n }),
  maxBytes: fc.bigInt({ min: 0n, max: 10n ** 9n }),
  messages: fc.bigInt({ min: 0n, max: 10n ** 8n }),
  discard: fc.constantFrom("old", "new"),
  retention: fc.constantFrom("limits", "interest", "workqueue"),
  storage: fc.constantFrom("memory", "file"),
  noAck: fc.boolean(),
  duplicateWindow: fc.bigInt({ min: 100n, max: 10n ** 8n }),
  maxMsgsPerSubject: fc.bigInt({ min: 0n, max: 100n }),
  age: fc.option(fc.integer({ min: 0, max: 200 }), { nil: undefined }),
});

describe("plans of streams carried out one after the other", () => {
  it("come to the declaration, with a window that a server takes, and leave what cannot be changed", () => {
    fc.assert(
      fc.property(streamDrift, ({ age, ...over }) => {
        const oldestTime = age === undefined ? undefined : LOOKED_AT - age * DAY;
        let nats = natsOf([observedStream({ ...over, name: "signals_stream", oldestTime })]);
        for (let applies = 0; ; applies++) {
          const now = plan(whole.kafka, { nats });
          const open = now.changes.filter(({ act }) => act !== undefined);
          if (open.length === 0) break;
          expect(applies).toBeLessThan(80);
          nats = afterPlan(now, whole.kafka, nats).nats;
          const streams = nats.streams.isSeen ? nats.streams.value : new Map();
          const { maxAge, duplicateWindow } = streams.get("signals_stream") ?? observedStream();
          const moved = open.some(
            ({ act }) => act?.kind === "alter-stream" && act.settings.maxAge !== undefined,
          );
          if (moved && maxAge > 0n) expect(duplicateWindow).toBeLessThanOrEqual(maxAge);
        }
        const found = nats.streams.isSeen ? nats.streams.value.get("signals_stream") : undefined;
        expect(found).toMatchObject({ maxAge: 3_600_000n, maxMsgs: 1_000_000n, maxBytes: 0n, noAck: false });
        expect(found).toMatchObject({ storage: over.storage, maxMsgsPerSubject: over.maxMsgsPerSubject });
        expect(found?.retention).toBe(over.retention === "workqueue" ? "workqueue" : "limits");
      }),
      { numRuns: 200 },
    );
  });
});
