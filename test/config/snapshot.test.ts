import { describe, expect, it } from "vitest";
import { compile } from "../../src/config/snapshot.ts";
import { compiled, type Edit, edited, lineOf, SHIPPED, withFiles } from "./documents.ts";

const NATS = "phase2/messaging/nats.json";
const KAFKA = "phase2/messaging/kafka.json";
const DAY = 86_400_000;
const YEAR = 365.25 * DAY;

describe("a set of documents with many faults", () => {
  const INDICATOR = '"pattern": "indicators.{type}.{symbol}"';
  const KAFKA_1 = "phase1/messaging/kafka.json";
  const ZOOKEEPER = "phase1/messaging/zookeeper.json";
  const faults: readonly [rule: string, path: string, at: string, edit: Edit][] = [
    [
      "document.unknown_key",
      "bootstrapServers",
      '"bootstrapServers"',
      [KAFKA_1, '"bootstrap_servers"', '"bootstrapServers"'],
    ],
    [
      "document.type",
      "session_timeout_ms",
      '"18 s"',
      [ZOOKEEPER, '"session_timeout_ms": 18000', '"session_timeout_ms": "18 s"'],
    ],
    [
      "kafka.topic_name",
      "topics.user_domain.risk_alerts.name",
      '"user risk"',
      [KAFKA, '"user.risk_alerts"', '"user risk"'],
    ],
    [
      "kafka.group_topic",
      "consumer_groups.trading_engine[0]",
      "user.orders",
      [KAFKA, '["user.commands"]', '["user.orders"]'],
    ],
    [
      "compliance.retention",
      "topics.user_domain.transactions.retention_ms",
      '"retention_ms": 1000',
      [KAFKA, '"retention_ms": 315576000000', '"retention_ms": 1000'],
    ],
    [
      "nats.stream_overlap",
      "streams.signals_stream.subjects[1]",
      "signals.x.y",
      [NATS, '["signals.>"]', '["signals.>", "signals.x.y"]'],
    ],
    [
      "nats.placeholder_unknown",
      "subjects.indicators.value.pattern",
      "{kind}",
      [NATS, INDICATOR, '"pattern": "indicators.{kind}.x"'],
    ],
    [
      "nats.example",
      "subjects.system.health.example",
      '"system.health"',
      [NATS, '"system.health.data-bridge"', '"system.health"'],
    ],
    [
      "nats.permission_service",
      "permissions.live-colector",
      '"live-colector"',
      [NATS, '"live-collector": {', '"live-colector": {'],
    ],
    [
      "compliance.topic",
      "rules.SOX.topics[0]",
      "user.money",
      ["compliance.yaml", "topics: [user.transactions]", "topics: [user.money, user.transactions]"],
    ],
  ];

  it("reports all ten of them with file, path and line, and is not served", () => {
    const texts = edited(faults.map(([, , , edit]) => edit));
    const { compiled: result, report } = compile(texts);
    expect(result).toBeUndefined();
    const expected = faults.map(([rule, path, at, [file]]) => ({
      severity: "FAIL",
      rule,
      file,
      path,
      line: lineOf(texts, file, at),
    }));
    for (const finding of expected) expect(report.findings).toContainEqual(expect.objectContaining(finding));
    // Beside these only the route to the topic that lost its name.
    const rules = [...expected.map(({ rule }) => rule), "routes.topic"];
    expect(report.findings.map(({ rule }) => rule).sort()).toEqual(rules.sort());
  });

  it("lists findings by file, then line", () => {
    const { report } = compile(edited(faults.map(([, , , edit]) => edit)));
    const places = report.findings.map(({ file, line }) => ({ file, line }));
    const sorted = places.toSorted((a, b) => a.file.localeCompare(b.file) || a.line - b.line);
    expect(places).toEqual(sorted);
  });
});

describe("a value that is at fault", () => {
  const TEN_YEARS = '"retention_ms": 315576000000';

  it.each([
    ["document.type", '"retention_ms": "10y"'],
    ["document.range", '"retention_ms": 1e18'],
    ["document.rule", '"retention_ms": -2'],
    ["document.unknown_key", '"retentionMs": 315576000000'],
  ])("is reported once, as %s, and not again by the checks that miss it", (rule, to) => {
    const { report } = compile(edited([[KAFKA, TEN_YEARS, to]]));
    expect(report.findings.map((finding) => finding.rule)).toEqual([rule]);
  });

  it("that is a key does not hide the faults of what it names", () => {
    const limits = '"max_age": 3600000,\n      "max_msgs": 1000000,';
    const texts = edited([
      [NATS, '"signals_stream": {', '"signals.stream": {'],
      [NATS, limits, ""],
    ]);
    const path = 'streams["signals.stream"]';
    expect(
      compile(texts)
        .report.findings.map((found) => `${found.rule} ${found.path}`)
        .sort(),
    ).toEqual([`document.rule ${path}`, `nats.stream_unbounded ${path}`]);
  });

  it("does not shift the places of what stands behind it in a list", () => {
    const texts = edited([[KAFKA, '["user.commands"]', '[5,\n"user.commands",\n"user.orders"]']]);
    const { report } = compile(texts);
    expect(report.findings).toEqual([
      expect.objectContaining({ rule: "document.type", path: "consumer_groups.trading_engine[0]" }),
      expect.objectContaining({
        rule: "kafka.group_topic",
        path: "consumer_groups.trading_engine[2]",
        line: lineOf(texts, KAFKA, '"user.orders"'),
      }),
    ]);
  });
});

describe("a document that cannot be read", () => {
  it.each([
    ["compliance.yaml", "rules: [", 1],
    ["flags.json", "", 1],
    ["phase1/messaging/kafka.json", "", 1],
  ])("is the only finding when it is %s: what others say of it is left alone", (file, text, line) => {
    const { compiled: result, report } = compile(withFiles({ [file]: text }));
    expect(result).toBeUndefined();
    expect(report.findings).toEqual([expect.objectContaining({ rule: "document.syntax", file, line })]);
  });
});

describe("a set without some documents", () => {
  it("needs no flags when there is one version", () => {
    const phase1 = new Map([...SHIPPED].filter(([file]) => file.startsWith("phase1/")));
    expect(compiled(phase1).chooseVersion("anyone")).toBe("phase1");
  });

  it("takes any service's permissions when no document lists the services", () => {
    const { report } = compile(withFiles({ "infrastructure.yaml": undefined }));
    expect(report.findings).toEqual([]);
  });
});

describe("a waiver", () => {
  const text = [
    "waivers:",
    "  small_broker:",
    "    rule: SOX",
    "    topic: user.transactions",
    "    retention_floor_ms: 86400000",
    "    reason: a broker with little room",
    "    approved_by: the head of compliance",
    '    expires: "2030-06-30"',
  ].join("\n");
  const texts = edited(
    [
      [KAFKA, '"retention_ms": 315576000000', '"retention_ms": 86400000'],
      ["data-routes.yaml", "retention_class: house_10y", "retention_class: one_year"],
    ],
    withFiles({ "compliance.yaml": `${SHIPPED.get("compliance.yaml")}\n${text}\n` }),
  );
  const rulesAt = (time: string) => compile(texts, Date.parse(time)).report.findings.map(({ rule }) => rule);

  it("lowers a floor until the end of its last day, in UTC", () => {
    expect(rulesAt("2030-06-30T23:59:59.999Z")).toEqual([]);
  });

  it("no longer counts on the next day, and says so", () => {
    expect(rulesAt("2030-07-01T00:00:00Z").sort()).toEqual([
      "compliance.retention",
      "compliance.route_floor",
      "compliance.waiver_expired",
    ]);
  });
});

describe("the shipped documents", () => {
  const { documents } = compiled();
  const nats = documents.versions.get("phase2")?.nats?.message;
  const kafka = documents.versions.get("phase2")?.kafka?.message;

  it("are the versions phase1 and phase2, where phase1 has no topics of users", () => {
    expect([...documents.versions.keys()].sort()).toEqual(["phase1", "phase2"]);
    const phase1 = documents.versions.get("phase1");
    expect(Object.keys(phase1?.kafka?.message.topics ?? {})).toEqual(["system_domain"]);
    expect(Object.keys(phase1?.nats?.message.subjects ?? {})).toEqual(["market_data", "system"]);
  });

  it.each([
    ["market_data", ["market.{symbol}.tick", "market.{symbol}.{timeframe}", "market.{symbol}.price"]],
    ["signals", ["signals.{strategy}.{symbol}", "signals.alerts.{type}"]],
    ["indicators", ["indicators.{type}.{symbol}"]],
    ["system", ["system.health.{service}"]],
  ])("declare the NATS subjects of %s, each with an example and a purpose", (domain, patterns) => {
    const subjects = Object.values(nats?.subjects[domain]?.subjects ?? {});
    expect(subjects.map(({ pattern }) => pattern)).toEqual(patterns);
    for (const { example, purpose } of subjects) expect([example, purpose]).not.toContain("");
    const requests = subjects.filter(({ requestReply }) => requestReply).map(({ pattern }) => pattern);
    expect(requests).toEqual(domain === "market_data" ? ["market.{symbol}.price"] : []);
  });

  it("declare both streams with their limits, in memory", () => {
    const limits = Object.entries(nats?.streams ?? {}).map(([name, stream]) => [
      name,
      stream.maxAge,
      stream.maxMsgs,
      stream.storage,
    ]);
    expect(limits).toEqual([
      ["market_data_stream", 300_000n, 10_000_000n, "memory"],
      ["signals_stream", 3_600_000n, 1_000_000n, "memory"],
    ]);
  });

  it("permit live-collector to publish and data-bridge to subscribe, and nobody anything else", () => {
    const permissions = Object.entries(nats?.permissions ?? {}).map(([service, lists]) => [
      service,
      lists.publish,
      lists.subscribe,
    ]);
    expect(permissions).toEqual([
      ["live-collector", ["market.>", "signals.>"], []],
      ["data-bridge", [], ["market.>", "signals.>"]],
    ]);
  });

  it("declare the topics of users to the figure", () => {
    const topics = Object.values(kafka?.topics.user_domain?.topics ?? {});
    expect(
      topics.map((topic) => [topic.name, topic.partitions, Number(topic.retentionMs), topic.cleanupPolicy]),
    ).toEqual([
      ["user.auth", 3, 90 * DAY, "delete"],
      ["user.settings", 3, -1, "compact"],
      ["user.commands", 6, 7 * YEAR, "delete"],
      ["user.trades", 6, 7 * YEAR, "delete"],
      ["user.mt5_status", 3, 30 * DAY, "delete"],
      ["user.risk_alerts", 3, YEAR, "delete"],
      ["user.transactions", 3, 10 * YEAR, "delete"],
      ["user.backtests", 3, 90 * DAY, "delete"],
      ["user.settings.events", 3, -1, "delete"],
    ]);
    expect(7 * YEAR).toBe(220_903_200_000);
  });

  it("keep the audit trail for 7 years", () => {
    const audit = kafka?.topics.system_domain?.topics.audit;
    expect(audit).toMatchObject({ name: "system.audit", retentionMs: 220_903_200_000n });
  });

  it("key records by user as the Java client does", () => {
    expect(kafka?.partitioningStrategy).toMatchObject({
      key: "user_id",
      keySerializer: "string",
      partitioner: "murmur2",
    });
  });

  it("declare the consumer groups", () => {
    const groups = Object.entries(kafka?.consumerGroups ?? {}).map(([name, { topics }]) => [name, topics]);
    expect(groups).toEqual([
      ["trading_engine", ["user.commands"]],
      ["audit_service", ["user.trades", "user.transactions"]],
      ["websocket_{user_id}", ["user.trades", "user.mt5_status"]],
    ]);
  });

  it("hold the floors of the platform", () => {
    const rules = Object.entries(documents.compliance?.message.rules ?? {});
    expect(rules.map(([name, rule]) => [name, Number(rule.retentionFloorMs), rule.topics])).toEqual([
      ["FINRA_4511", 7 * YEAR, ["user.commands", "user.trades"]],
      ["MiFID_II", 7 * YEAR, ["user.trades", "system.audit"]],
      ["SOX", 10 * YEAR, ["user.transactions"]],
    ]);
  });
});

describe("documents that were read before", () => {
  it("are not read again while their text is the same, and their faults are told again", () => {
    const [first, second] = [compile(SHIPPED), compile(withFiles({ "flags.json": "{" }))];
    expect(second.documents.versions.get("phase2")?.kafka).toBe(
      first.documents.versions.get("phase2")?.kafka,
    );
    const again = compile(withFiles({ "flags.json": "{" }));
    expect(again.report.findings).toEqual(second.report.findings);
    expect(again.report.failed).toBe(true);
    expect(compile(SHIPPED).report.findings).toEqual(first.report.findings);
  });
});
