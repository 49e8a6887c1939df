import type { JsonValue } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import { startTestHub } from "../support/hub.ts";
import { describeWith, goTool } from "../support/toolchains.ts";
import {
  expectTruth,
  expectUnknownDomain,
  fromProtobufJson,
  SUBJECT_DOMAIN,
  TOPIC_DOMAIN,
  UNKNOWN_DOMAIN,
} from "./clients/expected.ts";
import { output, run } from "./clients/programs.ts";

const CONFIG_SERVICE = "centralhub.config.v1.ConfigService";
const SERVICES = [CONFIG_SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"];

await describeWith(
  "a person with grpcurl and no .proto file",
  () => goTool("grpcurl"),
  (grpcurl) => {
    test("lists the services of the hub", async () => {
      const hub = await startTestHub();
      const listed = await output(grpcurl, ["-plaintext", `127.0.0.1:${hub.port}`, "list"]);
      expect(listed.trim().split("\n")).toEqual(expect.arrayContaining(SERVICES));
    });

    test("lists the methods of a service", async () => {
      const hub = await startTestHub();
      const listed = await output(grpcurl, ["-plaintext", `127.0.0.1:${hub.port}`, "list", CONFIG_SERVICE]);
      expect(listed.trim().split("\n")).toEqual(
        expect.arrayContaining(
          ["GetKafkaTopics", "GetNatsSubjects"].map((name) => `${CONFIG_SERVICE}.${name}`),
        ),
      );
    });

    test("reads what each service and message is made of", async () => {
      const hub = await startTestHub();
      const describe = (symbol: string) =>
        output(grpcurl, ["-plaintext", `127.0.0.1:${hub.port}`, "describe", symbol]);
      for (const service of SERVICES) expect(await describe(service)).toContain(`${service} is a service`);
      const method = await describe(`${CONFIG_SERVICE}.GetKafkaTopics`);
      expect(method).toContain("rpc GetKafkaTopics ( .centralhub.config.v1.GetKafkaTopicsRequest )");
      expect(await describe("centralhub.config.v1.KafkaTopic")).toMatch(/int64 retention_ms = 3/);
    });

    test("gets the topics, subjects and consumer groups of the documents", async () => {
      const hub = await startTestHub();
      const call = async (method: string, request: object): Promise<JsonValue> => {
        const args = [
          "-plaintext",
          "-d",
          JSON.stringify(request),
          `127.0.0.1:${hub.port}`,
          `${CONFIG_SERVICE}/${method}`,
        ];
        return JSON.parse(await output(grpcurl, args)) as JsonValue;
      };
      const topics = await call("GetKafkaTopics", { domain: TOPIC_DOMAIN });
      const subjects = await call("GetNatsSubjects", { domain: SUBJECT_DOMAIN });
      expectTruth(fromProtobufJson(topics, subjects, await call("GetKafkaConsumerGroups", {})));
    });

    test("is told NotFound and the known domains", async () => {
      const { code, stderr } = await refused();
      // grpcurl ends with 64 + the code; NOT_FOUND is 5.
      expect(code).toBe(69);
      expect(stderr).toContain("Code: NotFound");
      expectUnknownDomain({ code: "NOT_FOUND", message: stderr });
    });

    test("reads the machine-readable reason of a refusal", async () => {
      const { stderr } = await refused();
      expect(stderr).toContain('"reason": "UNKNOWN_DOMAIN"');
    });

    async function refused() {
      const hub = await startTestHub();
      const request = JSON.stringify({ domain: UNKNOWN_DOMAIN });
      const method = `${CONFIG_SERVICE}/GetKafkaTopics`;
      return await run(grpcurl, ["-plaintext", "-d", request, `127.0.0.1:${hub.port}`, method]);
    }

    test("reaches the older reflection service as well, which older tools ask for", async () => {
      const hub = await startTestHub();
      const method = "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
      const ask = async (question: object) => {
        const args = ["-plaintext", "-d", JSON.stringify(question), `127.0.0.1:${hub.port}`, method];
        return JSON.parse(await output(grpcurl, args)) as Record<string, { service?: { name: string }[] }>;
      };
      const listed = await ask({ list_services: "*" });
      const names = listed.listServicesResponse?.service?.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(SERVICES));
      const file = await ask({ file_containing_symbol: CONFIG_SERVICE });
      expect(file.fileDescriptorResponse).toBeDefined();
    });
  },
);

await describeWith(
  "grpc-health-probe",
  () => goTool("grpc-health-probe"),
  (probe) => {
    test.each(["", CONFIG_SERVICE])("finds the hub's service %j serving", async (service) => {
      const hub = await startTestHub();
      const { code, stderr } = await run(probe, [
        `-addr=127.0.0.1:${hub.port}`,
        `-service=${service}`,
        "-connect-timeout=5s",
      ]);
      expect(stderr).toContain("status: SERVING");
      expect(code).toBe(0);
    });

    test.each([
      ["revision-log", "SERVING", 0],
      ["trading-engine", "SERVING", 0],
      ["kafka", "UNKNOWN", 4],
    ])("finds the component or service %s of the platform: %s", async (service, status, expected) => {
      const hub = await startTestHub();
      const { code, stderr } = await run(probe, [`-addr=127.0.0.1:${hub.port}`, `-service=${service}`]);
      expect(stderr).toMatch(new RegExp(`status: "?${status}\\b|responded with "${status}"`));
      expect(code).toBe(expected);
    });

    test("fails for a service that the hub does not have", async () => {
      const hub = await startTestHub();
      const { code } = await run(probe, [`-addr=127.0.0.1:${hub.port}`, "-service=no.such.Service"]);
      expect(code).toBe(3);
    });

    test("fails once the hub has stopped", async () => {
      const hub = await startTestHub();
      await hub.stop();
      const { code } = await run(probe, [`-addr=127.0.0.1:${hub.port}`, "-connect-timeout=2s"]);
      expect(code).toBe(2);
    });
  },
);
