import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { parse } from "yaml";
import { startTestHub } from "../support/hub.ts";
import { createIssuer } from "../support/tokens.ts";
import { runCli } from "./run-cli.ts";
import { changedDocuments, KAFKA } from "./working-copy.ts";

const DIFFERENCE = `~ ${KAFKA}: topics.user_domain.commands.partitions changed from 6 to 12\n`;
const REVISION_2 = /^revision 2, by anonymous, \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ, hash [0-9a-f]{12}$/m;

describe("publish", () => {
  it("publishes a file by its path below configs, and prints what came of it", async () => {
    const { url, documents, publish } = await changedDocuments();
    const { code, out, err } = await runCli(publish(documents.path(KAFKA), "--expected-revision", "1"));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toContain(DIFFERENCE);
    expect(out).toContain(
      `${KAFKA}:35: WARN release.partitions_increase: topics.user_domain.commands.partitions: `,
    );
    expect(out).toMatch(REVISION_2);
    const served = await runCli(["get", "topics", "--url", url, "--output", "json"]);
    expect(JSON.parse(served.out).user_domain.commands.partitions).toBe(12);
    expect(served.err).toMatch(/^version phase2, revision 2, /);
  });

  it.each(["json", "yaml"])("prints what came of it as %s", async (output) => {
    const { documents, publish } = await changedDocuments();
    const args = publish(documents.path(KAFKA), "--expected-revision", "current", "--output", output);
    const { code, out } = await runCli(args);
    expect(code).toBe(0);
    const data = output === "json" ? JSON.parse(out) : parse(out);
    expect(data.revision).toMatchObject({
      revision: 2,
      author: "anonymous",
      comment: "more",
      rollback_of: 0,
      previous_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(data.changes).toMatchObject([
      { file: KAFKA, path: "topics.user_domain.commands.partitions", kind: "changed", before: 6, after: 12 },
    ]);
    expect(data.findings).toMatchObject([
      { severity: "WARN", rule: "release.partitions_increase", line: 35 },
    ]);
    expect(data).not.toHaveProperty("rollout");
  });

  it("takes a directory, whose unchanged documents are no news", async () => {
    const { documents, publish } = await changedDocuments();
    const args = publish(documents.directory, "--expected-revision", "current");
    const first = await runCli(args);
    expect(first.out).toContain(DIFFERENCE);
    expect(first.out).toMatch(REVISION_2);
    expect(await runCli(args)).toEqual({
      code: 0,
      out: "",
      err: "nothing to change: the documents are those of revision 2\n",
    });
  });

  it("takes documents away, with and without others that come", async () => {
    const { documents, publish } = await changedDocuments();
    const gone = ["--remove", "phase1/messaging/zookeeper.json", "--remove=phase2/messaging/zookeeper.json"];
    const { code, out } = await runCli(publish(documents.path(KAFKA), ...gone, "--expected-revision", "1"));
    expect(code).toBe(0);
    expect(out).toContain(`- phase1/messaging/zookeeper.json removed\n${DIFFERENCE}- phase2/`);
    const back = documents.path("phase1/messaging/zookeeper.json");
    const again = await runCli(publish(back, "--expected-revision", "2"));
    expect(again.out).toMatch(/^\+ phase1\/messaging\/zookeeper\.json added\n/);
    const only = await runCli(
      publish("--remove", "phase1/messaging/zookeeper.json", "--expected-revision", "3"),
    );
    expect(only.out).toMatch(/^revision 4, /m);
  });

  it("publishes nothing in a dry run, which needs no comment", async () => {
    const { url, documents } = await changedDocuments();
    const args = ["publish", documents.path(KAFKA), "--expected-revision", "1", "--dry-run", "--url", url];
    const { code, out, err } = await runCli(args);
    expect(code).toBe(0);
    expect(out).toContain(DIFFERENCE);
    expect(out).not.toMatch(/^revision/m);
    expect(err).toBe("dry run: nothing was published; 0 FAIL, 1 WARN\n");
    expect((await runCli(["history", "--url", url])).out).not.toMatch(/^2 /m);
  });
});

describe("publish, refused", () => {
  const FAIL = `${KAFKA}:36: FAIL compliance.retention: topics.user_domain.commands.retention_ms: `;

  it("prints every difference and finding", async () => {
    const { url, documents, publish } = await changedDocuments("220903200000", "1000");
    const args = publish(documents.path(KAFKA), "--expected-revision", "1");
    const { code, out, err } = await runCli(args);
    expect(code).toBe(1);
    expect(out).toContain("retention_ms changed from 220903200000 to 1000\n");
    expect(out).toContain(FAIL);
    expect(out).toContain(" Remedy: ");
    expect(err).toBe("central-hub: not published: 1 FAIL, 1 WARN (FAILED_PRECONDITION)\n");
    const json = await runCli([...args, "--output", "json"]);
    expect(json.code).toBe(1);
    expect(JSON.parse(json.out)).toMatchObject({
      revision: null,
      findings: [
        { severity: "FAIL", rule: "compliance.retention" },
        { severity: "WARN", rule: "release.retention_decrease" },
      ],
    });
    const dry = await runCli([...args, "--dry-run"]);
    expect({ code: dry.code, out: dry.out }).toEqual({ code: 1, out });
    expect(dry.err).toBe("central-hub: dry run: this would not be published: 1 FAIL, 1 WARN\n");
    expect((await runCli(["history", "--url", url])).out).not.toMatch(/^2 /m);
  });

  it("names the newest revision and the way on when somebody else was quicker", async () => {
    const { url, documents, publish } = await changedDocuments();
    await runCli(publish(documents.path(KAFKA), "--expected-revision", "1"));
    await documents.edit(KAFKA, '"partitions": 12', '"partitions": 24');
    expect(await runCli(publish(documents.path(KAFKA), "--expected-revision", "1"))).toEqual({
      code: 1,
      out: "",
      err:
        'central-hub: revision 1 is not the newest, which is 2: "central-hub diff 1 2" shows what came between; ' +
        "then try again with --expected-revision 2 (ABORTED)\n",
    });
    expect((await runCli(["history", "--url", url])).out).not.toMatch(/^3 /m);
  });

  it("says what names are relative to when one is not a document's", async () => {
    const { documents, publish } = await changedDocuments();
    const { code, err } = await runCli(publish(documents.path("phase2"), "--expected-revision", "1"));
    expect(code).toBe(1);
    expect(err).toMatch(/^central-hub: documents: "messaging\/kafka\.json" is not the name of a document; /);
    expect(err).toContain(
      `(INVALID_ARGUMENT); names are relative to ${documents.path("phase2")}; --root says otherwise`,
    );
    const rooted = publish(
      documents.path("phase2"),
      "--root",
      documents.directory,
      "--expected-revision",
      "1",
    );
    expect((await runCli(rooted)).code).toBe(0);
  });

  it("says that it needs a right", async () => {
    const issuer = await createIssuer();
    const { url } = await startTestHub(issuer.settings);
    const token = await issuer.token("config:read");
    const args = ["--expected-revision", "current", "--comment", "c", "--url", url, "--token", token];
    const { code, err } = await runCli(["publish", "--remove", KAFKA, ...args]);
    expect(code).toBe(1);
    expect(err).toMatch(/config:publish.*\(PERMISSION_DENIED\)\n$/);
  });

  it("says that nobody knows what came of it when the answer got lost", async () => {
    const server = createServer((request) => request.resume().once("end", () => request.socket.destroy()));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const args = ["--expected-revision", "1", "--comment", "c", "--url", url];
    const { code, err } = await runCli(["publish", "--remove", KAFKA, ...args]);
    expect(code).toBe(1);
    expect(err).toContain(`the connection to ${url} broke off: ECONNRESET (ABORTED); `);
    expect(err).toContain('the change may have come about all the same; "central-hub history" tells');
  });
});

describe("publish, used wrongly", () => {
  const at = ["--expected-revision", "1", "--comment", "c"];
  const cases: readonly [argv: string[], message: string][] = [
    [at, "publish: name files or a directory, or say --remove"],
    [["configs", "--comment", "c"], "publish needs --expected-revision: a revision, or current"],
    [["configs", "--expected-revision", "1"], "publish needs --comment: why"],
    [
      ["configs", "--expected-revision", "newest"],
      '--expected-revision takes "current", or it takes the number of a revision, from 1',
    ],
    [
      ["configs", ...at, "--dry-run", "--wait-share", "1"],
      "publish: --dry-run publishes nothing that could be waited for",
    ],
    [["configs", ...at, "--wait-share", "0"], "--wait-share takes a number over 0, at most 1"],
    [["configs", ...at, "--wait-share", "90%"], "--wait-share takes a number from 0 to 1"],
    [["configs", ...at, "--wait-timeout", "301"], "--wait-timeout takes a number from 0 to 300"],
    [
      ["configs", ...at, "--rollback-on-rejections", "1.5"],
      "--rollback-on-rejections takes a whole number from 0 to 100000",
    ],
    [["configs", ...at, "--remove="], "--remove needs a value"],
    [["configs", ...at, "--output", "xml"], "--output takes one of: table, json, yaml"],
  ];

  it.each(cases)("%j", async (argv, message) => {
    const { code, out, err } = await runCli(["publish", ...argv]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err.split("\n")[0]).toBe(`central-hub: ${message}`);
    expect(err.split("\n")[1]).toMatch(/^usage: central-hub publish /);
  });
});
