import { describe, expect, it } from "vitest";
import { DocumentsRefused } from "../../src/config/release-desk.ts";
import { HubError } from "../../src/errors.ts";
import { edited, SHIPPED } from "../config/documents.ts";
import { byRule, differing, startDesk } from "./release-hub.ts";

const KAFKA = "phase2/messaging/kafka.json";
const PARTITIONS = [
  KAFKA,
  '"partitions": 6,\n        "retention_ms": 220903200000,\n        "retention_bytes": -1,\n        "cleanup_policy": "delete",\n        "description": "Trading commands',
  '"partitions": 12,\n        "retention_ms": 220903200000,\n        "retention_bytes": -1,\n        "cleanup_policy": "delete",\n        "description": "Trading commands',
] as const;
const WORDS = [KAFKA, "Login, logout and session events.", "Sessions."] as const;
/** user.commands is kept for a day, which is below its floor. */
const SHORT = [
  KAFKA,
  '"retention_ms": 220903200000,\n        "retention_bytes": -1,\n        "cleanup_policy": "delete",\n        "description": "Trading commands',
  '"retention_ms": 86400000,\n        "retention_bytes": -1,\n        "cleanup_policy": "delete",\n        "description": "Trading commands',
] as const;
const SHORT_ALERTS = [
  KAFKA,
  '"retention_ms": 31557600000,\n        "cleanup_policy": "delete",\n        "description": "Stop-outs',
  '"retention_ms": 86400000,\n        "cleanup_policy": "delete",\n        "description": "Stop-outs',
] as const;

function waiver(expires: string, floorMs = 86_400_000): readonly [string, string, string] {
  const text = `waivers:
  short-commands:
    rule: FINRA_4511
    topic: user.commands
    retention_floor_ms: ${floorMs}
    reason: a test of the way out
    approved_by: the officer for compliance
    expires: "${expires}"

rules:
  FINRA_4511:`;
  return ["compliance.yaml", "rules:\n  FINRA_4511:", text];
}

async function refusal(attempt: Promise<unknown>): Promise<DocumentsRefused> {
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof DocumentsRefused) return error;
  throw new Error(`not refused: ${String(error)}`);
}

async function reasonOf(attempt: Promise<unknown>): Promise<string> {
  const error = await attempt.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof HubError ? error.reason : String(error);
}

describe("publish", () => {
  it("makes one revision of a change of several documents, which is served when it returns", async () => {
    const { publish, live, log } = await startDesk();
    const flags = (SHIPPED.get("flags.json") ?? "").replace("historical-loader", "data-bridge");
    const { entry, changes, findings } = await publish(
      new Map([...differing(edited([WORDS])), ["flags.json", flags]]),
    );
    expect(entry).toMatchObject({ revision: 2n, author: "test", comment: "why", rollbackOf: 0n });
    expect(entry?.previousHash).toBe((await log.get(1n))?.hash);
    expect(changes.map(({ file, path, kind }) => [file, path, kind])).toEqual([
      ["flags.json", "flags.messaging_config_version.targeting.if", "changed"],
      [KAFKA, "topics.user_domain.auth.description", "changed"],
    ]);
    expect(findings).toEqual([]);
    expect(live.manager.snapshot.revision).toBe(2n);
    const { consumerGroups } = live.manager.getKafkaConsumerGroups({ version: "phase2", service: "" });
    expect(Object.keys(consumerGroups)).toContain("trading_engine");
  });

  it("refuses what was made from another revision than the newest, and says which that is", async () => {
    const { desk, publish, propose, log } = await startDesk();
    await publish(edited([WORDS]));
    const late = await desk.publish(propose(edited([PARTITIONS]), [], 1n)).catch((error: unknown) => error);
    expect(late).toMatchObject({ reason: "REVISION_CONFLICT", metadata: { newest: "2" } });
    expect(await reasonOf(desk.publish(propose(edited([PARTITIONS]), [], 9n)))).toBe("REVISION_CONFLICT");
    expect(log.head?.revision).toBe(2n);
  });

  it("of nothing new is no revision; of other spelling alone it is one that says so", async () => {
    const { publish } = await startDesk();
    expect(await publish(SHIPPED)).toMatchObject({ entry: undefined, changes: [] });
    const { entry, changes } = await publish(new Map([["flags.json", `${SHIPPED.get("flags.json")}\n`]]));
    expect(entry?.revision).toBe(2n);
    expect(changes).toEqual([{ file: "flags.json", path: "", kind: "changed", before: "", after: "" }]);
  });

  it("as a dry run tells everything and changes nothing", async () => {
    const { dryRun, log, live } = await startDesk();
    const { entry, changes, findings } = await dryRun(edited([SHORT]));
    expect(entry).toBeUndefined();
    expect(changes).toHaveLength(1);
    expect(byRule({ findings }, "compliance.retention")).toMatchObject([{ severity: "FAIL" }]);
    expect(log.head?.revision).toBe(1n);
    expect(live.manager.snapshot.revision).toBe(1n);
    const broken = await dryRun(new Map([[KAFKA, "{"]]));
    expect(broken.findings.map(({ rule }) => rule)).toContain("document.syntax");
  });

  it("refuses a retention below its floor, with every finding and the changes, and nothing changed", async () => {
    const { publish, log, live } = await startDesk();
    const { findings, changes, message } = await refusal(publish(edited([SHORT])));
    expect(message).toMatch(
      /phase2\/messaging\/kafka\.json:\d+: topics\.user_domain\.commands\.retention_ms/,
    );
    expect(findings).toMatchObject([
      { severity: "FAIL", rule: "compliance.retention", file: KAFKA },
      { severity: "WARN", rule: "release.retention_decrease", file: KAFKA },
    ]);
    expect(changes).toMatchObject([
      { path: "topics.user_domain.commands.retention_ms", before: "220903200000", after: "86400000" },
    ]);
    expect([log.head?.revision, live.manager.snapshot.revision]).toEqual([1n, 1n]);
  });

  it("lets it pass under a waiver that has a name, until the waiver has expired", async () => {
    const { publish, clock, live } = await startDesk();
    const outcome = await publish(differing(edited([SHORT, waiver("2026-12-31")])));
    expect(outcome.entry?.revision).toBe(2n);
    expect(byRule(outcome, "release.retention_decrease")).toMatchObject([
      { severity: "WARN", path: "topics.user_domain.commands.retention_ms" },
    ]);
    clock.now = Date.parse("2027-01-01T00:00:00Z");
    const { findings } = await refusal(publish(new Map([["flags.json", `${SHIPPED.get("flags.json")} `]])));
    expect(findings.map(({ rule, severity }) => [rule, severity])).toEqual([
      ["compliance.waiver_expired", "WARN"],
      ["compliance.retention", "FAIL"],
    ]);
    // What was published stays served; the way out is open.
    expect(live.manager.snapshot.revision).toBe(2n);
    expect((await publish(SHIPPED)).entry?.revision).toBe(3n);
  });

  it("does not take a waiver that has expired already, or one that waives less than is asked for", async () => {
    const { publish } = await startDesk();
    const expired = await refusal(publish(differing(edited([SHORT, waiver("2026-11-22")]))));
    expect(byRule(expired, "compliance.retention")).toHaveLength(1);
    const small = await refusal(publish(differing(edited([SHORT, waiver("2026-12-31", 86_400_001)]))));
    expect(byRule(small, "compliance.retention")).toHaveLength(1);
  });

  it("refuses a consumer group whose topic is not there", async () => {
    const { publish, log } = await startDesk();
    const dangling = edited([
      [KAFKA, '"trading_engine": ["user.commands"]', '"trading_engine": ["user.orders"]'],
    ]);
    const { findings } = await refusal(publish(dangling));
    expect(findings).toMatchObject([{ severity: "FAIL", file: KAFKA }]);
    expect(findings[0]?.message).toContain("user.orders");
    expect(log.head?.revision).toBe(1n);
  });

  it("knows its documents by name, and removes those that go", async () => {
    const { publish, log } = await startDesk();
    for (const name of ["phase2/kafka.json", "../flags.json", "hub.yaml", "phase2/messaging/kafka.yaml"])
      expect(await reasonOf(publish(new Map([[name, "{}"]])))).toBe("INVALID_REQUEST");
    expect(await reasonOf(publish(new Map(), ["phase3/messaging/kafka.json"]))).toBe("INVALID_REQUEST");
    expect(await reasonOf(publish(new Map([[KAFKA, "{}"]]), [KAFKA]))).toBe("INVALID_REQUEST");
    const { entry, changes } = await publish(new Map(), ["phase1/messaging/zookeeper.json"]);
    expect(changes).toMatchObject([{ file: "phase1/messaging/zookeeper.json", kind: "removed" }]);
    expect(entry?.documents.has("phase1/messaging/zookeeper.json")).toBe(false);
    expect(log.head?.revision).toBe(2n);
  });

  it("fails fast while the log is out of reach, and reads go on", async () => {
    const { publish, log, live, desk } = await startDesk();
    await publish(edited([WORDS]));
    log.setUnreachable("the network is cut");
    const began = performance.now();
    expect(await reasonOf(publish(SHIPPED))).toBe("LOG_UNAVAILABLE");
    expect(performance.now() - began).toBeLessThan(1_000);
    expect(live.manager.getKafkaTopics({ domain: "", version: "", service: "" }).header?.revision).toBe(2n);
    expect((await desk.get(0n)).revision).toBe(2n);
    expect(await reasonOf(desk.get(1n))).toBe("LOG_UNAVAILABLE");
    log.setUnreachable("");
    expect((await publish(SHIPPED)).entry?.revision).toBe(3n);
  });
});

describe("rollback", () => {
  it("is a new revision with the old documents, and without those that came later", async () => {
    const { publish, desk, log } = await startDesk();
    const phase3 = new Map([
      ["phase3/messaging/kafka.json", SHIPPED.get("phase1/messaging/kafka.json") ?? ""],
    ]);
    await publish(phase3);
    await publish(edited([WORDS]));
    const { entry, changes } = await desk.rollback(1n, 3n, "operator", "");
    expect(entry).toMatchObject({
      revision: 4n,
      rollbackOf: 1n,
      author: "operator",
      comment: "rollback to revision 1",
    });
    expect(entry?.documents).toEqual((await log.get(1n))?.documents);
    expect(changes.map(({ file, kind }) => [file, kind])).toEqual([
      [KAFKA, "changed"],
      ["phase3/messaging/kafka.json", "removed"],
    ]);
    expect(await reasonOf(desk.rollback(1n, 3n, "operator", ""))).toBe("REVISION_CONFLICT");
    expect(await reasonOf(desk.rollback(9n, 4n, "operator", ""))).toBe("UNKNOWN_REVISION");
    expect((await desk.rollback(1n, 4n, "operator", "")).entry).toBeUndefined();
  });

  it("goes back to a revision that holds what the hub no longer takes for a document", async () => {
    const { log, desk, live } = await startDesk();
    const old = new Map([...SHIPPED, ["notes.json", "{}"]]);
    await log.append({ documents: old, author: "an older hub", comment: "", rollbackOf: 0n }, 1n);
    await log.append({ documents: SHIPPED, author: "an older hub", comment: "", rollbackOf: 0n }, 2n);
    const { entry } = await desk.rollback(2n, 3n, "operator", "");
    expect(entry?.documents.has("notes.json")).toBe(true);
    expect(live.manager.snapshot.revision).toBe(4n);
  });

  it("to documents that were only good under a waiver is refused when the waiver has expired", async () => {
    const { publish, desk, clock } = await startDesk();
    await publish(differing(edited([SHORT, waiver("2026-12-31")])));
    await publish(SHIPPED);
    clock.now = Date.parse("2027-06-01T00:00:00Z");
    const { findings } = await refusal(desk.rollback(2n, 3n, "operator", ""));
    expect(byRule({ findings }, "compliance.retention")).toHaveLength(1);
  });
});

describe("the history", () => {
  it("is listed from the oldest to the newest, in pages", async () => {
    const { publish, desk } = await startDesk();
    for (let at = 0; at < 5; at++) await publish(at % 2 === 0 ? edited([WORDS]) : SHIPPED);
    const pages: bigint[][] = [];
    for (let after = 0n, more = true; more; ) {
      const page = await desk.list(after, 4);
      pages.push(page.entries.map(({ revision }) => revision));
      more = page.more;
      after = page.entries.at(-1)?.revision ?? after;
    }
    expect(pages).toEqual([
      [1n, 2n, 3n, 4n],
      [5n, 6n],
    ]);
    expect(await desk.list(6n, 4)).toEqual({ entries: [], more: false });
    expect(await desk.list(99n, 4)).toEqual({ entries: [], more: false });
  });

  it("is compared value by value, of any two revisions", async () => {
    const { publish, desk } = await startDesk();
    await publish(edited([SHORT_ALERTS]));
    await publish(edited([SHORT_ALERTS, WORDS]));
    const path = "topics.user_domain.auth.description";
    const retention = {
      file: KAFKA,
      path: "topics.user_domain.risk_alerts.retention_ms",
      kind: "changed",
      before: "31557600000",
      after: "86400000",
    };
    expect((await desk.diff(0n, 0n)).changes).toMatchObject([{ path }]);
    expect((await desk.diff(1n, 2n)).changes).toEqual([retention]);
    expect((await desk.diff(1n, 3n)).changes).toMatchObject([{ path }, retention]);
    const back = (await desk.diff(2n, 1n)).changes;
    expect(back).toMatchObject([{ before: "86400000", after: "31557600000" }]);
    expect((await desk.diff(0n, 1n)).changes).toEqual([]);
    expect(await reasonOf(desk.diff(1n, 9n))).toBe("UNKNOWN_REVISION");
  });
});

describe("eight publishers at once", () => {
  it("leave one linear history, with nothing acknowledged lost or doubled", async () => {
    const { desk, log, propose } = await startDesk();
    const acknowledged: { revision: bigint; comment: string }[] = [];
    const publisher = async (name: number): Promise<void> => {
      for (let count = 0; count < 5; ) {
        const comment = `${name} ${count}`;
        const text = `${SHIPPED.get("flags.json")}${" ".repeat(name)}${"\n".repeat(count + 1)}`;
        const proposal = { ...propose(new Map([["flags.json", text]])), comment };
        try {
          const { entry } = await desk.publish(proposal);
          if (entry) acknowledged.push({ revision: entry.revision, comment });
          count += 1;
        } catch (error) {
          if (!(error instanceof HubError) || error.reason !== "REVISION_CONFLICT") throw error;
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, name) => publisher(name + 1)));
    const { entries } = await desk.list(1n, 1_000);
    const history = entries.map(({ revision, comment }) => ({ revision, comment }));
    expect(history).toEqual(acknowledged.sort((a, b) => Number(a.revision - b.revision)));
    expect(new Set(history.map(({ comment }) => comment)).size).toBe(40);
    expect(log.head?.revision).toBe(41n);
  });
});
