import { credentials } from "@grpc/grpc-js";
import { describe, expect, onTestFinished, test } from "vitest";
import { Health, HealthCheckResponse_ServingStatus } from "../../gen/grpc/health/v1/health_pb.ts";
import { startTestHub } from "../support/hub.ts";
import { expectTruth, expectUnknownDomain } from "./clients/expected.ts";
import { GrpcJsClient } from "./clients/grpc-js.ts";

describe("grpc-js", () => {
  async function connected(): Promise<GrpcJsClient> {
    const hub = await startTestHub();
    const client = new GrpcJsClient(`127.0.0.1:${hub.port}`, credentials.createInsecure());
    onTestFinished(() => client.close());
    return client;
  }

  test("gets the topics, subjects and consumer groups of the documents", async () => {
    const client = await connected();
    expectTruth(await client.answers());
  });

  test("is told NOT_FOUND and the known domains", async () => {
    const client = await connected();
    expectUnknownDomain(await client.refusal());
  });

  test("gets its answers when a hundred calls share one connection", async () => {
    const client = await connected();
    for (const answers of await Promise.all(Array.from({ length: 100 }, () => client.answers())))
      expectTruth(answers);
  });

  test("sees the hub and its services as serving", async () => {
    const client = await connected();
    for (const service of ["", "centralhub.config.v1.ConfigService"]) {
      const { status } = await client.call(Health.method.check, { service });
      expect(status).toBe(HealthCheckResponse_ServingStatus.SERVING);
    }
  });
});
