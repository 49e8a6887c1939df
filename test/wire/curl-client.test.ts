import type { JsonValue } from "@bufbuild/protobuf";
import { describe, expect, test } from "vitest";
import { startTestHub } from "../support/hub.ts";
import { describeWith } from "../support/toolchains.ts";
import { type CurlAnswer, findCurl } from "./clients/curl.ts";
import {
  type Answers,
  expectTruth,
  expectUnknownDomain,
  fromProtobufJson,
  SUBJECT_DOMAIN,
  TOPIC_DOMAIN,
  UNKNOWN_DOMAIN,
} from "./clients/expected.ts";

const SERVICE = "centralhub.config.v1.ConfigService";
const VERSIONS = [
  { name: "HTTP/1.1", flag: "--http1.1", version: "1.1" },
  { name: "HTTP/2 with prior knowledge", flag: "--http2-prior-knowledge", version: "2" },
];

await describeWith("curl", findCurl, (curl) => {
  describe.each(VERSIONS)("over $name", ({ flag, version }) => {
    const ask = async (...args: string[]) => {
      const answer = await curl([flag, ...args]);
      expect(answer.version).toBe(version);
      return answer;
    };

    test("gets the documents from the REST routes", async () => {
      const hub = await startTestHub();
      const rest = `${hub.url}/api/config/messaging`;
      const topics = shape(await ask(`${rest}/kafka/topics?domain=${TOPIC_DOMAIN}`));
      const subjects = shape(await ask(`${rest}/nats/subjects?domain=${SUBJECT_DOMAIN}`));
      const groups = shape(await ask(`${rest}/kafka/consumer-groups`));
      expect(topics).toMatchObject({ status: "success", domain: TOPIC_DOMAIN });
      expect(subjects).toMatchObject({ status: "success", domain: SUBJECT_DOMAIN });
      expect(Object.keys(groups)).toEqual(["status", "consumer_groups"]);
      expectTruth({
        topics: topics.topics as Answers["topics"],
        subjects: subjects.subjects as Answers["subjects"],
        consumerGroups: groups.consumer_groups as Answers["consumerGroups"],
      });
    });

    test("gets a map of domains from the REST routes when it names none", async () => {
      const hub = await startTestHub();
      const { domain, topics } = shape(await ask(`${hub.url}/api/config/messaging/kafka/topics`));
      expect(domain).toBe("all");
      expect(topics).toMatchObject({
        user_domain: { commands: { name: "user.commands" } },
        system_domain: { audit: { name: "system.audit", retention_ms: 220_903_200_000 } },
      });
    });

    test("is told 404 and the known domains by the REST routes", async () => {
      const hub = await startTestHub();
      const answer = await ask(`${hub.url}/api/config/messaging/kafka/topics?domain=${UNKNOWN_DOMAIN}`);
      expect(answer.status).toBe(404);
      const { status, error } = JSON.parse(answer.body) as { status: string; error: string };
      expect(status).toBe("error");
      expectUnknownDomain({ code: "NOT_FOUND", message: error });
    });

    test("is spared an unchanged REST answer: If-None-Match gets 304 without a body", async () => {
      const hub = await startTestHub();
      const url = `${hub.url}/api/config/messaging/kafka/topics?domain=${TOPIC_DOMAIN}`;
      const etag = (await ask(url)).headers.get("etag") ?? "";
      expect(etag).toMatch(/^"[^"]+"$/);
      const unchanged = await ask("--header", `if-none-match: ${etag}`, url);
      expect(unchanged).toMatchObject({ status: 304, body: "" });
      expect(unchanged.headers.get("etag")).toBe(etag);
      const changed = await ask("--header", 'if-none-match: "another"', url);
      expect(changed.status).toBe(200);
    });

    test("calls RPCs with a JSON body and with GET", async () => {
      const hub = await startTestHub();
      const post = (method: string, message: object) =>
        ask(
          ...["--header", "content-type: application/json", "--data", JSON.stringify(message)],
          `${hub.url}/${SERVICE}/${method}`,
        );
      const get = (method: string, message: object) =>
        ask(
          `${hub.url}/${SERVICE}/${method}?encoding=json&message=${encodeURIComponent(JSON.stringify(message))}`,
        );
      for (const call of [post, get]) {
        const topics = await call("GetKafkaTopics", { domain: TOPIC_DOMAIN });
        const subjects = await call("GetNatsSubjects", { domain: SUBJECT_DOMAIN });
        const groups = await call("GetKafkaConsumerGroups", {});
        expectTruth(fromProtobufJson(json(topics), json(subjects), json(groups)));

        const refused = await call("GetKafkaTopics", { domain: UNKNOWN_DOMAIN });
        expect(refused.status).toBe(404);
        const { code, message } = JSON.parse(refused.body) as { code: string; message: string };
        expectUnknownDomain({ code: code.toUpperCase(), message });
      }
    });
  });

  test("that offers an upgrade to HTTP/2 is answered over HTTP/1.1", async () => {
    const hub = await startTestHub();
    const answer = await curl(["--http2", `${hub.url}/api/config/messaging/kafka/consumer-groups`]);
    expect(answer).toMatchObject({ status: 200, version: "1.1" });
  });
});

function json(answer: CurlAnswer): JsonValue {
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toMatch(/^application\/json\b/);
  return JSON.parse(answer.body) as JsonValue;
}

function shape(answer: CurlAnswer): Record<string, unknown> {
  return json(answer) as Record<string, unknown>;
}
