import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compile } from "../../src/config/snapshot.ts";
import type { ObservedTopic } from "../../src/health/observed-kafka.ts";
import { seen, unseen } from "../../src/health/seen.ts";
import { documentText } from "../../src/topology/document-text.ts";
import { importDocuments } from "../../src/topology/import.ts";
import { placeFor } from "../../src/topology/names.ts";
import { makePlan } from "../../src/topology/plan.ts";
import { SHIPPED, withFiles } from "../config/documents.ts";
import { LOOKED_AT, observedStream } from "../health/observed-stream.ts";
import { KAFKA_DEFAULTS, observedTopic, placed, settingsFrom } from "../health/observed-topic.ts";
import { kafkaOf, natsOf } from "./model.ts";

const FILE = "phase2/messaging/kafka.json";
const NATS = "phase2/messaging/nats.json";

function topic(
  name: string,
  settings: Record<string, string> = {},
  over: Partial<ObservedTopic> = {},
): ObservedTopic {
  const all = new Map([...KAFKA_DEFAULTS, ...settingsFrom("topic", settings)]);
  return observedTopic({}, { name, id: name, settings: seen(all), ...over });
}

function imported(
  topics: readonly ObservedTopic[],
  streams: Parameters<typeof natsOf>[0] = [],
  domain = "",
  texts = SHIPPED,
) {
  const observed = { kafka: kafkaOf(topics), nats: natsOf(streams) };
  const { documents } = compile(texts);
  return {
    ...importDocuments({
      version: "phase2",
      domain,
      documents,
      texts,
      observed,
      ownTopics: new Set(["hub.round-trip"]),
    }),
    observed,
  };
}

/** What a plan would do with the documents that an import has made. */
function planAfter({ documents: texts, observed }: ReturnType<typeof imported>): string[] {
  const { documents } = compile(withFiles(Object.fromEntries(texts)));
  const options = {
    version: "phase2",
    systems: ["kafka", "nats"],
    allowDelete: false,
    stepMs: undefined,
  } as const;
  const impact = { live: { kafka: new Map(), nats: new Map() }, components: {} };
  const { changes } = makePlan(options, {
    ...observed,
    documents,
    owned: [],
    ownTopics: new Set<string>(),
    impact,
    time: LOOKED_AT,
  });
  return changes.map(({ change }) => change.summary);
}

describe("the layout of a document", () => {
  it("is that of the shipped ones", () => {
    for (const [file, text] of SHIPPED) {
      if (/messaging\/.*\.json$/.test(file)) expect(documentText(JSON.parse(text))).toBe(text);
    }
  });
});

describe("the place of a topic that is new", () => {
  it.each([
    ["user.auth", "", { domain: "user_domain", key: "auth", isEscaped: false }],
    ["orders", "", { domain: "orders_domain", key: "orders", isEscaped: false }],
    ["billing.invoices.v1", "", { domain: "billing_domain", key: "invoices_v1", isEscaped: true }],
    ["Billing.Open", "", { domain: "billing_domain", key: "open", isEscaped: true }],
    ["42.answers", "", { domain: "topics_42_domain", key: "answers", isEscaped: true }],
    ["user.auth", "user_domain", { domain: "user_domain", key: "auth", isEscaped: false }],
    ["user.auth", "legacy", { domain: "legacy", key: "user_auth", isEscaped: true }],
    ["_schemas", "", { domain: "topics__schemas_domain", key: "topic_schemas", isEscaped: true }],
  ])("of %s in %o", (name, domain, place) => {
    expect(placeFor(name, domain, () => false)).toEqual(place);
  });

  it("is one that nobody has", () => {
    const taken = new Set(["user_domain.auth", "user_domain.auth_2"]);
    const place = placeFor("user.auth", "", (domain, key) => taken.has(`${domain}.${key}`));
    expect(place).toEqual({ domain: "user_domain", key: "auth_3", isEscaped: true });
  });

  it("is always one that a document may have", () => {
    const names = fc.stringMatching(/^[a-zA-Z0-9._-]{1,249}$/);
    fc.assert(
      fc.property(names, (name) => {
        const { domain, key } = placeFor(name, "", () => false);
        expect(domain).toMatch(/^[a-z][a-z0-9_]{0,63}$/);
        expect(key).toMatch(/^[a-z0-9][a-z0-9_-]{0,127}$/);
      }),
    );
  });
});

describe("an import", () => {
  const trades = topic(
    "user.trades",
    { "retention.ms": "220903200000", "segment.ms": "5" },
    { partitions: placed(8) },
  );

  it("keeps wording, order and choices of what is declared, and takes over what differs", () => {
    const result = imported([trades]);
    const document = JSON.parse(result.documents.get(FILE) ?? "");
    expect(Object.keys(document)).toEqual(Object.keys(JSON.parse(SHIPPED.get(FILE) ?? "")));
    expect(document.topics).toEqual({
      user_domain: {
        trades: {
          ...{ name: "user.trades", partitions: 8, retention_ms: 220_903_200_000, cleanup_policy: "delete" },
          retention_bytes: -1,
          description: expect.stringMatching(/^Trade executions/),
        },
      },
    });
    expect(document.consumer_groups).toEqual({
      audit_service: ["user.trades"],
      "websocket_{user_id}": ["user.trades"],
    });
    expect(result.notes.join("\n")).toMatch(
      /user\.auth is declared and not on the broker[\s\S]*trading_engine/,
    );
    expect(result.faults.join("\n")).toMatch(/routes\.topic/);
  });

  it("leaves Kafka's own topics, JetStream's and the hub's streams out, and mirrors with a note", () => {
    const internal = topic("__consumer_offsets", {}, { isInternal: true });
    const own = topic("hub.round-trip");
    const streams = [
      observedStream({ name: "KV_x", subjects: ["$KV.x.>"] }),
      observedStream({ name: "copy", subjects: [], isMirror: true }),
    ];
    const result = imported([trades, internal, own], streams);
    expect(result.documents.get(FILE)).not.toContain("__consumer_offsets");
    expect(result.documents.get(FILE)).not.toContain("hub.round-trip");
    expect(JSON.parse(result.documents.get(NATS) ?? "").streams).toEqual({});
    expect(result.notes.join("\n")).toMatch(/copy has no subjects/);
  });

  it("says which settings it could not see", () => {
    const hidden = topic("user.trades", {}, { settings: unseen("no right") });
    const other = topic("other", {}, { settings: unseen("no right") });
    const { notes, documents } = imported([hidden, other]);
    expect(notes.join("\n")).toMatch(/other cannot be seen.*\n.*|user\.trades stays as it is declared/);
    expect(JSON.parse(documents.get(FILE) ?? "").topics.user_domain.trades.partitions).toBe(6);
    expect(documents.get(FILE)).not.toContain('"other"');
  });

  it("names a value that no document can hold as a fault", () => {
    const forEver = topic("user.trades", { "retention.ms": "9223372036854775807" });
    const { documents, faults } = imported([forEver]);
    expect(documents.get(FILE)).toContain('"9223372036854775807"');
    expect(faults.join("\n")).toMatch(/retention_ms.*expected a number/);
  });

  it("makes a document where there was none", () => {
    const texts = withFiles({ [FILE]: undefined });
    const { documents } = imported([trades], [], "", texts);
    expect(JSON.parse(documents.get(FILE) ?? "")).toMatchObject({
      bootstrap_servers: ["127.0.0.1:9092"],
      topics: { user_domain: { trades: { name: "user.trades" } } },
    });
  });

  it("makes documents of any estate, from which a plan is empty, and is the same again", () => {
    const settings = fc.record(
      {
        "retention.ms": fc.oneof(fc.constant("-1"), fc.integer({ min: 1, max: 10 ** 12 }).map(String)),
        "retention.bytes": fc.integer({ min: -1, max: 10 ** 9 }).map(String),
        "cleanup.policy": fc.constantFrom("delete", "compact", "compact,delete", "delete,compact"),
        "min.insync.replicas": fc.constantFrom("1", "2"),
        "max.message.bytes": fc.integer({ min: 1, max: 10 ** 6 }).map(String),
      },
      { requiredKeys: [] },
    );
    const name = fc.oneof(
      fc.constantFrom("user.auth", "user.settings", "user.trades", "system.audit"),
      fc.stringMatching(/^[a-z][a-zA-Z0-9.-]{1,20}$/),
    );
    const estate = fc.uniqueArray(
      fc.tuple(name, settings, fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 3 })),
      {
        maxLength: 6,
        selector: ([own]) => own.replaceAll(".", "_"),
      },
    );
    const stream = fc.record({
      maxAge: fc.bigInt({ min: 0n, max: 10n ** 10n }),
      maxMsgs: fc.bigInt({ min: 1n, max: 2n ** 53n - 1n }),
      maxBytes: fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }),
      storage: fc.constantFrom("file", "memory"),
      retention: fc.constantFrom("limits", "interest"),
      discard: fc.constantFrom("old", "new"),
      noAck: fc.boolean(),
    });
    fc.assert(
      fc.property(estate, stream, stream, (topics, signals, indicators) => {
        const found = topics.map(([own, values, count, copies]) =>
          topic(own, values as Record<string, string>, { partitions: placed(count, copies) }),
        );
        const streams = [
          observedStream({ ...signals, name: "signals_stream" }),
          observedStream({ ...indicators, name: "indicators", subjects: ["indicators.>"] }),
        ];
        const first = imported(found, streams);
        expect(planAfter(first)).toEqual([]);
        const again = imported(found, streams, "", withFiles(Object.fromEntries(first.documents)));
        expect([...again.documents]).toEqual([...first.documents]);
      }),
      { numRuns: 40 },
    );
  });
});
