import { truncate } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ChangeKind, FindingSeverity } from "../../gen/centralhub/config/v1/release_pb.ts";
import { edited, SHIPPED } from "../config/documents.ts";
import { createIssuer } from "../support/tokens.ts";
import { failure, startReleaseHub } from "./release-hub.ts";

const KAFKA = "phase2/messaging/kafka.json";

function kafka(from: string, to: string): Record<string, string> {
  return { [KAFKA]: edited([[KAFKA, from, to]]).get(KAFKA) ?? "" };
}

const WORDS = kafka("Login, logout and session events.", "Sessions.");
const SHORT = kafka('"retention_ms": 315576000000', '"retention_ms": 86400000');

describe("PublishConfig", () => {
  it("answers with the revision, what it changed, and what there is to say of it", async () => {
    const hub = await startReleaseHub();
    const { revision, changes, findings } = await hub.releases.publishConfig({
      documents: kafka(
        '"partitions": 3,\n        "retention_ms": 7776000000,\n        "cleanup_policy": "delete",\n        "description": "Login',
        '"partitions": 5,\n        "retention_ms": 7776000000,\n        "cleanup_policy": "delete",\n        "description": "Login',
      ),
      expectedRevision: 1n,
      comment: "more room for logins",
    });
    expect(revision).toMatchObject({
      revision: 2n,
      author: "anonymous",
      comment: "more room for logins",
      rollbackOf: 0n,
      documents: {},
    });
    expect(revision?.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(changes).toMatchObject([
      {
        file: KAFKA,
        path: "topics.user_domain.auth.partitions",
        kind: ChangeKind.CHANGED,
        before: "3",
        after: "5",
        summary: `${KAFKA}: topics.user_domain.auth.partitions changed from 3 to 5`,
      },
    ]);
    expect(findings).toMatchObject([
      { severity: FindingSeverity.WARN, rule: "release.partitions_increase", file: KAFKA },
    ]);
    // The caller reads what it has written.
    const topics = await hub.config.getKafkaTopics({ domain: "user_domain" });
    expect(topics.header?.revision).toBe(2n);
    expect(topics.domains.user_domain?.topics.auth?.partitions).toBe(5);
  });

  it("refuses with every finding and change in the details, and leaves all as it was", async () => {
    const hub = await startReleaseHub();
    const refused = await failure(hub.releases.publishConfig({ documents: SHORT, expectedRevision: 1n }));
    expect(refused).toMatchObject({ code: "FailedPrecondition", reason: "DOCUMENTS_REFUSED" });
    expect(refused.message).toContain("the floor of SOX");
    expect(refused.refusal).toMatchObject({
      findings: [
        { severity: FindingSeverity.FAIL, rule: "compliance.retention", file: KAFKA },
        { severity: FindingSeverity.WARN, rule: "release.retention_decrease", file: KAFKA },
      ],
      changes: [{ path: "topics.user_domain.transactions.retention_ms", after: "86400000" }],
    });
    expect((await hub.releases.getRevision({})).revision?.revision).toBe(1n);
  });

  it("as a dry run answers the same findings without an error", async () => {
    const hub = await startReleaseHub();
    const { revision, changes, findings } = await hub.releases.publishConfig({
      documents: SHORT,
      expectedRevision: 1n,
      dryRun: true,
    });
    expect(revision).toBeUndefined();
    expect(changes).toHaveLength(1);
    expect(findings).toMatchObject([
      { severity: FindingSeverity.FAIL, rule: "compliance.retention" },
      { severity: FindingSeverity.WARN, rule: "release.retention_decrease" },
    ]);
    expect((await hub.releases.getRevision({})).revision?.revision).toBe(1n);
    expect(await hub.audit()).toEqual([]);
  });

  it("is ABORTED with the newest revision when somebody was quicker", async () => {
    const hub = await startReleaseHub();
    await hub.releases.publishConfig({ documents: WORDS, expectedRevision: 1n });
    const late = await failure(hub.releases.publishConfig({ documents: WORDS, expectedRevision: 1n }));
    expect(late).toMatchObject({ code: "Aborted", reason: "REVISION_CONFLICT" });
    expect(late.info?.metadata).toMatchObject({ newest: "2" });
  });

  it("says what is wrong with a request that is malformed", async () => {
    const hub = await startReleaseHub();
    const call = (request: Parameters<typeof hub.releases.publishConfig>[0]) =>
      failure(hub.releases.publishConfig(request));
    expect(await call({ documents: WORDS })).toMatchObject({ code: "InvalidArgument" });
    expect(await call({ documents: { "notes.txt": "" }, expectedRevision: 1n })).toMatchObject({
      code: "InvalidArgument",
      message: expect.stringContaining('"notes.txt" is not the name of a document'),
    });
    expect(await call({ removedFiles: ["nothing.json"], expectedRevision: 1n })).toMatchObject({
      code: "InvalidArgument",
    });
    expect(await call({ expectedRevision: 1n, wait: { share: 1.5 } })).toMatchObject({
      code: "InvalidArgument",
    });
    expect(await call({ expectedRevision: 1n, comment: "x".repeat(1_025) })).toMatchObject({
      code: "InvalidArgument",
    });
    expect(await call({ documents: { [KAFKA]: "x".repeat(1_100_000) }, expectedRevision: 1n })).toMatchObject(
      {
        code: "ResourceExhausted",
      },
    );
    expect(await call({ documents: { [KAFKA]: "x".repeat(1_000_000) }, expectedRevision: 1n })).toMatchObject(
      {
        code: "FailedPrecondition",
      },
    );
    expect((await hub.releases.getRevision({})).revision?.revision).toBe(1n);
  });
});

describe("who may and who did", () => {
  it("publishing and rolling back need config:publish, the history audit:read, the rollout config:read", async () => {
    const issuer = await createIssuer();
    const scopes = ["config:publish", "audit:read", "config:read"];
    const outcome = async (scope: string): Promise<string[]> => {
      const { releases } = await startReleaseHub(issuer.settings, await issuer.token(scope));
      const calls = [
        releases.publishConfig({ documents: WORDS, expectedRevision: 1n, dryRun: true }),
        releases.rollbackConfig({ targetRevision: 1n, expectedRevision: 1n }),
        releases.listRevisions({}),
        releases.getRevision({}),
        releases.diffRevisions({}),
        releases.getRollout({}),
      ];
      return await Promise.all(
        calls.map((call) => call.then(() => "ok").catch(async () => (await failure(call)).code ?? "")),
      );
    };
    const no = "PermissionDenied";
    const [publish, audit, read] = await Promise.all(scopes.map(outcome));
    expect(publish).toEqual(["ok", "ok", no, no, no, no]);
    expect(audit).toEqual([no, no, "ok", "ok", "ok", no]);
    expect(read).toEqual([no, no, no, no, no, "ok"]);
  });

  it("every change that was made, or tried and refused, is on record with who, when and by which request", async () => {
    const issuer = await createIssuer();
    const token = await issuer.token("config:publish audit:read");
    const hub = await startReleaseHub(issuer.settings, token);
    const headers = { "x-request-id": "ticket-4711" };
    await hub.releases.publishConfig({ documents: WORDS, expectedRevision: 1n }, { headers });
    await failure(hub.releases.publishConfig({ documents: SHORT, expectedRevision: 2n }));
    await failure(hub.releases.publishConfig({ documents: WORDS, expectedRevision: 1n }));
    await hub.releases.rollbackConfig({ targetRevision: 1n, expectedRevision: 2n, comment: "back" });
    await failure(hub.releases.rollbackConfig({ targetRevision: 9n, expectedRevision: 3n }));
    const records = await hub.audit();
    const caller = "test-service";
    expect(records).toMatchObject([
      { action: "publish", caller, outcome: "done", revision: "2", requestId: "ticket-4711" },
      { action: "publish", caller, outcome: "DOCUMENTS_REFUSED", revision: "" },
      { action: "publish", caller, outcome: "REVISION_CONFLICT", revision: "" },
      { action: "rollback", caller, outcome: "done", revision: "3" },
      { action: "rollback", caller, outcome: "UNKNOWN_REVISION", revision: "" },
    ]);
    for (const { time = "", requestId = "" } of records) {
      expect(Math.abs(Date.parse(time) - Date.now())).toBeLessThan(60_000);
      expect(requestId).not.toBe("");
    }
    const { revision } = await hub.releases.getRevision({});
    expect(revision).toMatchObject({ author: caller, comment: "back", rollbackOf: 1n });
  });
});

describe("the history", () => {
  it("is read in pages from the oldest to the newest, and grows while it is read", async () => {
    const hub = await startReleaseHub();
    const publish = (at: number) =>
      hub.releases.publishConfig({
        documents: { "flags.json": `${SHIPPED.get("flags.json")}${"\n".repeat(at)}` },
        expectedRevision: BigInt(at),
      });
    for (let at = 1; at <= 4; at++) await publish(at);
    const first = await hub.releases.listRevisions({ pageSize: 3 });
    expect(first.revisions.map(({ revision }) => revision)).toEqual([1n, 2n, 3n]);
    expect(first.revisions.every(({ documents }) => Object.keys(documents).length === 0)).toBe(true);
    await publish(5);
    const second = await hub.releases.listRevisions({ pageSize: 3, pageToken: first.nextPageToken });
    expect(second.revisions.map(({ revision }) => revision)).toEqual([4n, 5n, 6n]);
    expect(second.nextPageToken).toBe("");
    const all = await hub.releases.listRevisions({ pageSize: 2_000_000_000 });
    expect(all.revisions).toHaveLength(6);
    // Each names the one before it.
    for (const [at, { previousHash }] of all.revisions.entries())
      expect(previousHash).toBe(all.revisions[at - 1]?.hash ?? "");
  });

  it("is listed without a look at any document", async () => {
    const { dataDir, releases } = await startReleaseHub();
    await releases.publishConfig({ documents: WORDS, expectedRevision: 1n });
    // What the file holds now could not be read back.
    await truncate(join(dataDir, "revisions.log"), 0);
    expect(await failure(releases.getRevision({ revision: 1n }))).toMatchObject({ code: "Unavailable" });
    const { revisions } = await releases.listRevisions({});
    expect(revisions.map(({ revision }) => revision)).toEqual([1n, 2n]);
  });

  it("refuses a page token that it did not give", async () => {
    const { releases } = await startReleaseHub();
    const tokens = ["x", "r1", Buffer.from("r-1").toString("base64url"), "..", "%00", "a".repeat(200)];
    for (const pageToken of tokens)
      expect(await failure(releases.listRevisions({ pageToken }))).toMatchObject({
        code: "InvalidArgument",
        message: expect.stringContaining("page_token"),
      });
    expect(await failure(releases.listRevisions({ pageSize: -1 }))).toMatchObject({
      code: "InvalidArgument",
    });
  });

  it("holds every document of every revision, and compares any two", async () => {
    const { releases } = await startReleaseHub();
    await releases.publishConfig({ documents: WORDS, expectedRevision: 1n });
    const first = await releases.getRevision({ revision: 1n });
    expect(first.revision?.documents).toEqual(Object.fromEntries(SHIPPED));
    const { from, to, changes } = await releases.diffRevisions({});
    expect([from?.revision, to?.revision]).toEqual([1n, 2n]);
    expect(changes.map(({ summary }) => summary)).toEqual([
      expect.stringMatching(/auth\.description changed from ".*" to "Sessions\./),
    ]);
    const calls = [
      releases.getRevision({ revision: 3n }),
      releases.diffRevisions({ fromRevision: 1n, toRevision: 3n }),
      releases.rollbackConfig({ targetRevision: 3n, expectedRevision: 2n }),
      releases.getRollout({ revision: 3n }),
    ];
    for (const answer of await Promise.all(calls.map((call) => failure(call))))
      expect(answer).toMatchObject({ code: "NotFound", reason: "UNKNOWN_REVISION" });
  });
});
