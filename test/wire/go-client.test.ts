import { copyFile, cp, mkdir } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestHub } from "../support/hub.ts";
import { describeWith, goModules, goTool, goToolchain } from "../support/toolchains.ts";
import {
  type DriverOutput,
  EXPECTED_LINES,
  expectTruth,
  expectUnknownDomain,
  fromProtobufJson,
  SUBJECT_DOMAIN,
  TOPIC_DOMAIN,
  UNKNOWN_DOMAIN,
} from "./clients/expected.ts";
import { exportProtos, output, repositoryPath, run, workDirectory } from "./clients/programs.ts";

const BUILD_TIMEOUT_MS = 300_000;

async function tools() {
  const go = await goToolchain();
  const plugins = [await goTool("protoc-gen-go"), await goTool("protoc-gen-go-grpc")];
  await goModules(repositoryPath("examples/go"));
  return { go, plugins };
}

await describeWith(
  "a Go service with stubs that protoc-gen-go made from the exported contract",
  tools,
  ({ go, plugins }) => {
    let work: Awaited<ReturnType<typeof workDirectory>>;
    const built = (name: string) => join(work.path, "bin", name);

    beforeAll(async () => {
      work = await workDirectory();
      const cwd = join(work.path, "topics");
      await cp(repositoryPath("examples/go"), cwd, {
        recursive: true,
        filter: (source) => !/\/(stubs|protos)$/.test(source),
      });
      await mkdir(join(cwd, "answers"));
      await copyFile(repositoryPath("test/wire/clients/go/answers.go"), join(cwd, "answers/main.go"));
      await exportProtos(join(cwd, "protos"));
      const PATH = [...plugins.map((path) => dirname(path)), process.env.PATH].join(delimiter);
      await output(repositoryPath("node_modules/.bin/buf"), ["generate"], { cwd, env: { PATH } });
      // One build for both programs: most of the time goes into what they share.
      const args = ["build", "-mod=readonly", "-o", `${join(work.path, "bin")}/`, "./..."];
      await mkdir(join(work.path, "bin"));
      await output(go, args, { cwd, env: { GOWORK: "off" }, timeoutMs: BUILD_TIMEOUT_MS });
    }, BUILD_TIMEOUT_MS);
    afterAll(() => work.remove());

    test("gets the topics, subjects and consumer groups of the documents, and NotFound with the known domains", async () => {
      const hub = await startTestHub();
      const args = [`127.0.0.1:${hub.port}`, TOPIC_DOMAIN, SUBJECT_DOMAIN, UNKNOWN_DOMAIN];
      const told = JSON.parse(await output(built("answers"), args)) as DriverOutput & { health: string };
      expectTruth(fromProtobufJson(told.topics, told.subjects, told.consumer_groups));
      expectUnknownDomain(told.refusal);
      expect(told.health).toBe("SERVING");
    });

    test("prints the topics of a domain with examples/go", async () => {
      const hub = await startTestHub();
      const printed = await output(built("topics"), [`127.0.0.1:${hub.port}`, TOPIC_DOMAIN]);
      expect(printed.trimEnd().split("\n").sort()).toEqual(EXPECTED_LINES);
    });

    test("is told by examples/go why a domain has no topics", async () => {
      const hub = await startTestHub();
      const { code, stderr } = await run(built("topics"), [`127.0.0.1:${hub.port}`, UNKNOWN_DOMAIN]);
      expect(code).toBe(1);
      const [refused = "", message = ""] = stderr.split(/: (.*)/s);
      expectUnknownDomain({ code: refused === "NotFound" ? "NOT_FOUND" : refused, message });
    });
  },
);
