import { describe, expect, it } from "vitest";
import type { DocumentTexts } from "../../src/config/document-set.ts";
import { DocumentsRefused } from "../../src/config/release-desk.ts";
import type { Finding } from "../../src/documents/findings.ts";
import { type Edit, edited, SHIPPED } from "../config/documents.ts";
import { byRule, differing, startDesk } from "./release-hub.ts";

const KAFKA = "phase2/messaging/kafka.json";
const NATS = "phase2/messaging/nats.json";
const LIVE = {
  "phase2 kafka": ["trading-engine", "risk-monitor"],
  "phase2 nats": ["data-bridge"],
};

function topicPart(name: string, partitions: number, retentionMs: string, policy: string): string {
  return `"name": "${name}",
        "partitions": ${partitions},
        "retention_ms": ${retentionMs},
        "cleanup_policy": "${policy}"`;
}

const AUTH = topicPart("user.auth", 3, "7776000000", "delete");
const SETTINGS = topicPart("user.settings", 3, "-1", "compact");

interface Row {
  readonly change: string;
  readonly edits: readonly Edit[];
  readonly rule: string;
  readonly path: string;
  readonly says: RegExp;
}

const ROWS: readonly Row[] = [
  {
    change: "a shorter retention",
    edits: [[KAFKA, AUTH, topicPart("user.auth", 3, "86400000", "delete")]],
    rule: "release.retention_decrease",
    path: "topics.user_domain.auth.retention_ms",
    says: /user\.auth would keep records 86400000 ms instead of 7776000000 ms/,
  },
  {
    change: "a retention where there was none",
    edits: [[KAFKA, SETTINGS, topicPart("user.settings", 3, "86400000", "compact,delete")]],
    rule: "release.retention_decrease",
    path: "topics.user_domain.settings.retention_ms",
    says: /86400000 ms instead of -1 ms/,
  },
  {
    change: "a limit of bytes where there was none",
    edits: [[KAFKA, AUTH, `${AUTH},\n        "retention_bytes": 1000`]],
    rule: "release.retention_decrease",
    path: "topics.user_domain.auth.retention_bytes",
    says: /1000 bytes of a partition instead of any number/,
  },
  {
    change: "a stream that keeps its messages for a shorter time",
    edits: [[NATS, '"max_age": 3600000', '"max_age": 60000']],
    rule: "release.retention_decrease",
    path: "streams.signals_stream.max_age",
    says: /signals_stream would keep messages 60000 ms instead of 3600000 ms/,
  },
  {
    change: "fewer partitions",
    edits: [[KAFKA, AUTH, topicPart("user.auth", 2, "7776000000", "delete")]],
    rule: "release.partitions_decrease",
    path: "topics.user_domain.auth.partitions",
    says: /from 3 to 2 partitions, which Kafka cannot do/,
  },
  {
    change: "more partitions",
    edits: [[KAFKA, AUTH, topicPart("user.auth", 4, "7776000000", "delete")]],
    rule: "release.partitions_increase",
    path: "topics.user_domain.auth.partitions",
    says: /keys move/,
  },
  {
    change: "compaction",
    edits: [[KAFKA, AUTH, topicPart("user.auth", 3, "7776000000", "compact,delete")]],
    rule: "release.compaction",
    path: "topics.user_domain.auth.cleanup_policy",
    says: /all but the last record of each key are lost/,
  },
  {
    change: "a lower floor",
    edits: [
      ["compliance.yaml", "retention_floor_ms: 315576000000 # 10 years", "retention_floor_ms: 86400000"],
    ],
    rule: "release.floor_decrease",
    path: "rules.SOX.retention_floor_ms",
    says: /the floor of SOX goes from 315576000000 ms down to 86400000 ms/,
  },
  {
    change: "a floor that is taken from a topic",
    edits: [["compliance.yaml", "topics: [user.commands, user.trades]", "topics: [user.commands]"]],
    rule: "release.floor_removed",
    path: "rules.FINRA_4511",
    says: /the floor of FINRA_4511 no longer holds for user\.trades/,
  },
];

describe("a publish warns of", () => {
  it.each(ROWS)("$change", async ({ edits, rule, path, says }) => {
    const { dryRun } = await startDesk({ live: LIVE });
    const outcome = await dryRun(differing(edited(edits)));
    const [finding, ...more] = byRule(outcome, rule);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ severity: "WARN", path, message: expect.stringMatching(says) });
    expect(finding?.remedy).not.toBe("");
    // The same change the other way round, or none at all, is nothing to warn of.
    expect(byRule(await dryRun(SHIPPED), rule)).toEqual([]);
  });

  it("the removal of all floors together with their document", async () => {
    const { dryRun } = await startDesk();
    // Data routes name its classes, so they go as well.
    const outcome = await dryRun(new Map(), ["compliance.yaml", "data-routes.yaml"]);
    expect(byRule(outcome, "release.floor_removed").map(({ message }) => message)).toEqual([
      "the floor of FINRA_4511 no longer holds for user.commands, user.trades",
      "the floor of MiFID_II no longer holds for user.trades, system.audit",
      "the floor of SOX no longer holds for user.transactions",
    ]);
  });

  it("the new name of a topic that live services and consumer groups use, naming them", async () => {
    const { publish } = await startDesk({ live: LIVE });
    const renamed = [...SHIPPED].map(
      ([file, text]) => [file, text.replaceAll("user.mt5_status", "user.mt5_state")] as const,
    );
    const outcome = await publish(differing(new Map(renamed)));
    expect(byRule(outcome, "release.topic_removed")).toMatchObject([
      {
        severity: "WARN",
        file: KAFKA,
        path: "topics.user_domain",
        message:
          "user.mt5_status is renamed to user.mt5_state, although the groups websocket_{user_id} read it and " +
          "live instances of trading-engine, risk-monitor follow version phase2",
      },
    ]);
    expect(outcome.entry?.revision).toBe(2n);
  });

  it("a topic that goes, in words that fit when nobody uses it", async () => {
    const { dryRun } = await startDesk();
    const outcome = await dryRun(
      differing(
        new Map(
          [...SHIPPED].map(([file, text]) => [file, text.replaceAll("user.backtests", "user.runs")] as const),
        ),
      ),
    );
    expect(byRule(outcome, "release.topic_removed").map(({ message }) => message)).toEqual([
      "user.backtests is renamed to user.runs",
    ]);
  });

  it("a document that goes while the version stays, naming who follows it", async () => {
    const { dryRun } = await startDesk({ live: { "phase1 nats": ["historical-loader"] } });
    const outcome = await dryRun(new Map(), ["phase1/messaging/nats.json"]);
    expect(byRule(outcome, "release.document_removed")).toMatchObject([
      {
        severity: "WARN",
        message:
          "version phase1 no longer declares nats, although live instances of historical-loader follow it",
      },
    ]);
  });

  it("a version that goes while instances follow it", async () => {
    const { dryRun } = await startDesk({ live: { "phase1 nats": ["historical-loader"] } });
    const flags = (SHIPPED.get("flags.json") ?? "")
      .replace('"phase1": "phase1"', '"phase1": "phase2"')
      .replace("historical-loader", "nobody");
    const files = [...SHIPPED.keys()].filter((file) => file.startsWith("phase1/"));
    const outcome = await dryRun(new Map([["flags.json", flags]]), files);
    expect(byRule(outcome, "release.version_removed")).toMatchObject([
      { message: "version phase1 goes, and instances of historical-loader follow it" },
    ]);
  });
});

describe("a publish that is refused", () => {
  const trades = (partitions: number, retentionMs: string) =>
    `"name": "user.trades",\n        "partitions": ${partitions},\n        "retention_ms": ${retentionMs}`;
  const released = (findings: readonly Finding[]) =>
    findings.filter(({ rule }) => rule.startsWith("release.")).map(({ rule, path }) => `${rule} ${path}`);

  async function both(documents: DocumentTexts, removedFiles: readonly string[] = []) {
    const { dryRun, publish } = await startDesk({ live: LIVE });
    const told = await dryRun(documents, removedFiles);
    const refused = await publish(documents, removedFiles).catch((error: unknown) => error);
    if (!(refused instanceof DocumentsRefused)) throw new Error("it was not refused");
    expect(refused.findings).toEqual(told.findings);
    return refused.findings;
  }

  it("is also warned of all that the change would lose", async () => {
    const findings = await both(
      differing(
        edited([
          [KAFKA, trades(6, "220903200000"), trades(4, "86400000")],
          [NATS, '"max_age": 3600000', '"max_age": 60000'],
          ["compliance.yaml", "topics: [user.transactions]", "topics: [user.auth]"],
        ]),
      ),
      ["phase1/messaging/nats.json"],
    );
    expect(findings.filter(({ severity }) => severity === "FAIL").map(({ rule }) => rule)).toContain(
      "compliance.retention",
    );
    expect(released(findings)).toEqual([
      "release.floor_removed rules.SOX",
      "release.document_removed ",
      "release.partitions_decrease topics.user_domain.trades.partitions",
      "release.retention_decrease topics.user_domain.trades.retention_ms",
      "release.retention_decrease streams.signals_stream.max_age",
    ]);
  });

  it.each<[string, DocumentTexts]>([
    ["a text that ends too early", new Map([[KAFKA, '{"topics": ']])],
    ["a text of which nothing can be read", new Map([["compliance.yaml", "rules: [}"]])],
    ["a version of which nothing can be read", new Map([["phase1/messaging/nats.json", ""]])],
    ["a topic of the wrong type", differing(edited([[KAFKA, '"name": "user.auth"', '"name": 7']]))],
    [
      "rules of the wrong type",
      differing(edited([["compliance.yaml", "\nrules:", "\nrules: 7\nrules_were:"]])),
    ],
  ])("is not warned of the loss of what is only not read: %s", async (_name, documents) => {
    const findings = await both(documents);
    expect(findings.some(({ severity }) => severity === "FAIL")).toBe(true);
    expect(released(findings)).toEqual([]);
  });
});

it("a publish that removes nothing does not ask which services are live", async () => {
  const asked: string[] = [];
  const { live, propose } = await startDesk();
  const { ReleaseDesk } = await import("../../src/config/release-desk.ts");
  const desk = new ReleaseDesk(live, (version, system) => {
    asked.push(`${version} ${system}`);
    return [];
  });
  await desk.publish(
    propose(differing(edited([[KAFKA, AUTH, topicPart("user.auth", 4, "7776000000", "delete")]]))),
  );
  expect(asked).toEqual([]);
});
