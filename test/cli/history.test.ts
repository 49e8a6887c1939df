import { beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readDocumentDirectory } from "../../src/adapters/files/document-directory.ts";
import { openFileRevisionLog } from "../../src/adapters/files/revision-log.ts";
import { SHIPPED_CONFIG_DIR } from "../../src/settings/settings.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { runCli } from "./run-cli.ts";
import { KAFKA, workingCopy } from "./working-copy.ts";

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/;
const PATH = "topics.user_domain.commands.partitions";

let env: Record<string, string>;

/** A hub with three revisions, the third of which is a rollback to the first. */
async function startHistory(): Promise<void> {
  const { url } = await startTestHub();
  env = { CENTRAL_HUB_URL: url };
  const documents = await workingCopy();
  await documents.edit(KAFKA, '"partitions": 6', '"partitions": 12');
  const at = ["--expected-revision", "current", "--comment", "more\npartitions"];
  expect(await runCli(["publish", documents.path(KAFKA), ...at], env)).toMatchObject({ code: 0 });
  expect(await runCli(["rollback", "1", "--comment", "too many"], env)).toMatchObject({ code: 0 });
}

describe("history", () => {
  beforeEach(startHistory);

  it("lists revisions, the newest last", async () => {
    const { code, out, err } = await runCli(["history"], env);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const [head, ...rows] = out.trimEnd().split("\n");
    expect(head).toMatch(/^REVISION +TIME +AUTHOR +COMMENT +HASH +ROLLBACK OF$/);
    expect(rows).toHaveLength(3);
    expect(rows[0]).toMatch(/^1 +\S+Z +file +first revision +[0-9a-f]{12}$/);
    expect(rows[1]).toMatch(/^2 +\S+Z +anonymous +more\\u\{a\}partitions +[0-9a-f]{12}$/);
    expect(rows[2]).toMatch(/^3 +\S+Z +anonymous +too many +[0-9a-f]{12} +1$/);
  });

  it("keeps to the newest with a limit, and to numbers as JSON and YAML", async () => {
    const json = await runCli(["history", "--limit", "2", "--output", "json"], env);
    const data = JSON.parse(json.out);
    expect(data).toMatchObject([
      { revision: 2, author: "anonymous", comment: "more\npartitions", rollback_of: 0 },
      { revision: 3, rollback_of: 1, create_time: expect.stringMatching(TIME) },
    ]);
    expect(data[1].previous_hash).toBe(data[0].hash);
    const yaml = await runCli(["history", "--limit=2", "--output=yaml"], env);
    expect(parse(yaml.out)).toEqual(data);
  });

  it("reads every page", async () => {
    const dataDir = await temporaryDirectory();
    const documents = await readDocumentDirectory(SHIPPED_CONFIG_DIR);
    const log = await openFileRevisionLog({ directory: dataDir });
    for (let newest = 0n; newest < 205n; newest++) {
      await log.append({ documents, author: "a", comment: "c", rollbackOf: 0n }, newest);
    }
    await log.close();
    const { url } = await startTestHub({ dataDir });
    const { out } = await runCli(["history", "--output", "json", "--url", url]);
    const numbers = JSON.parse(out).map(({ revision }: { revision: number }) => revision);
    expect(numbers).toEqual(Array.from({ length: 205 }, (_, index) => index + 1));
  });
});

describe("diff", () => {
  beforeEach(startHistory);

  it("compares the newest with the one before, and any with any", async () => {
    const newest = await runCli(["diff"], env);
    expect(newest).toEqual({
      code: 0,
      out: `~ ${KAFKA}: ${PATH} changed from 12 to 6\n`,
      err: "from revision 2 to 3: 1 difference\n",
    });
    expect(await runCli(["diff", "2"], env)).toEqual(newest);
    const forth = await runCli(["diff", "1", "2"], env);
    expect(forth.out).toBe(`~ ${KAFKA}: ${PATH} changed from 6 to 12\n`);
    const none = await runCli(["diff", "1", "3"], env);
    expect(none).toEqual({ code: 0, out: "", err: "from revision 1 to 3: 0 differences\n" });
  });

  it("prints values as JSON and YAML", async () => {
    const json = await runCli(["diff", "1", "2", "--output", "json"], env);
    const data = JSON.parse(json.out);
    expect(data).toMatchObject({ from: { revision: 1 }, to: { revision: 2, comment: "more\npartitions" } });
    expect(data.changes).toMatchObject([{ file: KAFKA, path: PATH, kind: "changed", before: 6, after: 12 }]);
    const yaml = await runCli(["diff", "1", "2", "--output", "yaml"], env);
    expect(parse(yaml.out)).toEqual(data);
  });

  it("says which revisions there are", async () => {
    expect(await runCli(["diff", "1", "9"], env)).toEqual({
      code: 1,
      out: "",
      err: "central-hub: revision: 9 is not there; revisions are 1 to 3 (NOT_FOUND)\n",
    });
  });
});

describe("rollback", () => {
  beforeEach(startHistory);

  it("makes a new revision, and none when nothing would change", async () => {
    const first = await runCli(["rollback", "2", "--comment", "again", "--expected-revision", "3"], env);
    expect(first.code).toBe(0);
    expect(first.out).toMatch(/^revision 4, by anonymous, /m);
    expect(first.out).toContain(`~ ${KAFKA}: ${PATH} changed from 6 to 12\n`);
    const second = await runCli(["rollback", "2", "--comment", "again", "--output", "json"], env);
    expect(second.code).toBe(0);
    expect(second.err).toBe("nothing to change: revision 4 has the same documents\n");
    expect(JSON.parse(second.out)).toEqual({ revision: null, changes: [], findings: [] });
  });

  it("says who was quicker, and which revisions there are", async () => {
    const conflict = await runCli(["rollback", "1", "--comment", "c", "--expected-revision", "2"], env);
    expect(conflict).toMatchObject({ code: 1, out: "" });
    expect(conflict.err).toMatch(/^central-hub: revision 2 is not the newest, which is 3: .* \(ABORTED\)\n$/);
    const unknown = await runCli(["rollback", "9", "--comment", "c"], env);
    expect(unknown.err).toBe("central-hub: revision: 9 is not there; revisions are 1 to 3 (NOT_FOUND)\n");
  });
});

describe("history, diff and rollback, used wrongly", () => {
  const cases: readonly [argv: string[], message: string][] = [
    [["history", "3"], 'history: "3" is one word too many'],
    [["history", "--limit", "0"], "--limit takes a whole number from 1 to 1000000"],
    [["diff", "1", "2", "3"], 'diff: "3" is one word too many'],
    [["diff", "HEAD"], "diff takes the number of a revision, from 1"],
    [["diff", "0"], "diff takes the number of a revision, from 1"],
    [["diff", "--output", "xml"], "--output takes one of: table, json, yaml"],
    [["rollback"], "rollback: name the revision to go back to"],
    [["rollback", "1"], "rollback needs --comment: why"],
    [["rollback", "1", "2"], 'rollback: "2" is one word too many'],
    [["rollback", "-1"], "Unknown option '-1'"],
  ];

  it.each(cases)("%j", async (argv, message) => {
    const { code, out, err } = await runCli(argv);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err.split("\n")[0]).toBe(`central-hub: ${message}`);
    expect(err.split("\n")[1]).toMatch(`usage: central-hub ${argv[0]}`);
  });
});
