import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestHub } from "../support/hub.ts";
import { describeWith, program, pythonWithGrpc } from "../support/toolchains.ts";
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

const EXAMPLE = repositoryPath("examples/python/get_topics.py");
const DRIVER = repositoryPath("test/wire/clients/python/answers.py");
const SPECIFIED = repositoryPath("test/wire/clients/python/trading_engine.py");
const HEALTH = repositoryPath("test/wire/clients/python/topic_health.py");

await describeWith(
  "a Python service without stubs",
  async () => await program("python3"),
  (python) => {
    test("runs the script of the specification as it stands", async () => {
      const hub = await startTestHub();
      expect(await output(python, [SPECIFIED, hub.url])).toBe("user.commands\n");
    });

    test("reads the health of the topics, also while no broker is known", async () => {
      const hub = await startTestHub();
      const [status, ...topics] = (await output(python, [HEALTH, hub.url])).trimEnd().split("\n");
      expect(status).toMatch(/^error: Kafka is not configured; set KAFKA_BROKERS/);
      expect(topics).toContain("user.commands user_domain 6 220903200000 unknown");
      expect(topics).toHaveLength(10);
    });
  },
);

await describeWith(
  "a Python service with stubs that grpcio-tools made from the exported contract",
  pythonWithGrpc,
  (python) => {
    let work: Awaited<ReturnType<typeof workDirectory>>;
    let env: Record<string, string>;

    beforeAll(async () => {
      work = await workDirectory();
      const protos = join(work.path, "protos");
      const stubs = join(work.path, "stubs");
      await mkdir(stubs);
      await exportProtos(protos);
      // As the example's own comment says it.
      const files = `$(cd ${protos} && find centralhub buf -name '*.proto')`;
      const protoc = `${python} -m grpc_tools.protoc -I ${protos} --python_out ${stubs} --grpc_python_out ${stubs} ${files}`;
      await output("/bin/sh", ["-ec", protoc], { timeoutMs: 60_000 });
      env = { PYTHONPATH: stubs, PYTHONDONTWRITEBYTECODE: "1" };
    });
    afterAll(() => work.remove());

    test("gets the topics, subjects and consumer groups of the documents, and NOT_FOUND with the known domains", async () => {
      const hub = await startTestHub();
      const args = [DRIVER, `127.0.0.1:${hub.port}`, TOPIC_DOMAIN, SUBJECT_DOMAIN, UNKNOWN_DOMAIN];
      const told = JSON.parse(await output(python, args, { env })) as DriverOutput;
      expectTruth(fromProtobufJson(told.topics, told.subjects, told.consumer_groups));
      expectUnknownDomain(told.refusal);
    });

    test("prints the topics of a domain with examples/python", async () => {
      const hub = await startTestHub();
      const printed = await output(python, [EXAMPLE, `127.0.0.1:${hub.port}`, TOPIC_DOMAIN], { env });
      expect(printed.trimEnd().split("\n").sort()).toEqual(EXPECTED_LINES);
    });

    test("is told by examples/python why a domain has no topics", async () => {
      const hub = await startTestHub();
      const { code, stderr } = await run(python, [EXAMPLE, `127.0.0.1:${hub.port}`, UNKNOWN_DOMAIN], { env });
      expect(code).toBe(1);
      const [refused = "", message = ""] = stderr.split(/: (.*)/s);
      expectUnknownDomain({ code: refused, message });
    });
  },
);
