import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { SHIPPED } from "../config/documents.ts";
import { type MemoryRevisionLog, MemoryRevisions } from "../support/memory-revision-log.ts";
import { failure, startReleaseHub } from "./release-hub.ts";

// A hub as it is, but for its log: this one can be put out of reach.
const logs = vi.hoisted(() => ({ open: (): unknown => undefined }));
vi.mock("../../src/adapters/files/revision-log.ts", () => ({ openFileRevisionLog: async () => logs.open() }));

let log: MemoryRevisionLog;

beforeEach(() => {
  log = new MemoryRevisions().open();
  logs.open = () => log;
});

const CHANGE = { documents: { "flags.json": `${SHIPPED.get("flags.json")}\n` }, expectedRevision: 1n };

describe("while the revision log is out of reach", () => {
  it("publishing and rolling back fail fast with UNAVAILABLE, and are on record", async () => {
    const hub = await startReleaseHub();
    await hub.releases.publishConfig(CHANGE);
    log.setUnreachable("the network is cut");
    const began = performance.now();
    const calls = [
      hub.releases.publishConfig({ ...CHANGE, documents: { "flags.json": "{}" }, expectedRevision: 2n }),
      hub.releases.rollbackConfig({ targetRevision: 1n, expectedRevision: 2n }),
      hub.releases.getRevision({ revision: 1n }),
    ];
    const answers = await Promise.all(calls.map((call) => failure(call)));
    expect(performance.now() - began).toBeLessThan(2_000);
    expect(answers[0]).toMatchObject({ code: "FailedPrecondition" });
    expect(answers.slice(1)).toMatchObject([
      {
        code: "Unavailable",
        reason: "LOG_UNAVAILABLE",
        message: expect.stringContaining("the network is cut"),
      },
      { code: "Unavailable", reason: "LOG_UNAVAILABLE" },
    ]);
    // What lists are made of is at hand.
    expect((await hub.releases.listRevisions({})).revisions).toHaveLength(2);
    const sound = { documents: { "flags.json": SHIPPED.get("flags.json") ?? "" }, expectedRevision: 2n };
    expect(await failure(hub.releases.publishConfig(sound))).toMatchObject({ code: "Unavailable" });
    expect((await hub.audit()).map(({ outcome }) => outcome).sort()).toEqual([
      "DOCUMENTS_REFUSED",
      "LOG_UNAVAILABLE",
      "LOG_UNAVAILABLE",
      "done",
    ]);
  });

  it("reads go on, over every protocol, and say how old they may be; afterwards they do not", async () => {
    const hub = await startReleaseHub();
    const stale = async (): Promise<(string | null)[]> => {
      const ages: (string | null)[] = [];
      const onHeader = (headers: Headers): void => {
        ages.push(headers.get("x-hub-stale-seconds"));
      };
      await hub.config.getKafkaTopics({}, { onHeader });
      const connect = createConnectTransport({ baseUrl: hub.url, httpVersion: "1.1" });
      await createClient(ConfigService, connect).getNatsSubjects({}, { onHeader });
      onHeader((await fetch(`${hub.url}/api/config/messaging/kafka/topics`)).headers);
      return ages;
    };
    expect(await stale()).toEqual([null, null, null]);
    log.setUnreachable("the network is cut");
    expect(await stale()).toEqual(["0", "0", "0"]);
    await new Promise((resolve) => setTimeout(resolve, 1_600));
    expect((await stale()).every((age) => Number(age) >= 1)).toBe(true);
    const ready = await fetch(`${hub.url}/readyz`);
    expect(ready.status).toBe(200);
    expect(await ready.json()).toMatchObject({ revision_log: "out of reach: the network is cut" });
    expect(await (await fetch(`${hub.url}/metrics`)).text()).toContain("hub_revision_log_reachable 0");
    log.setUnreachable("");
    expect(await stale()).toEqual([null, null, null]);
  });

  it("watchers stay, and hear what was published elsewhere as soon as it is back", async () => {
    const revisions = new MemoryRevisions();
    log = revisions.open();
    const hub = await startReleaseHub();
    const seen: bigint[] = [];
    const stop = new AbortController();
    const reading = (async () => {
      for await (const { header } of hub.config.watchMessagingConfig({}, { signal: stop.signal }))
        seen.push(header?.revision ?? 0n);
    })().catch(() => {});
    await expect.poll(() => seen.length).toBe(1);
    log.setUnreachable("the network is cut");
    const elsewhere = revisions.open();
    const head = elsewhere.head;
    if (!head) throw new Error("the hub has started");
    const kafka = (head.documents.get("phase2/messaging/kafka.json") ?? "").replace("Login,", "Log-in,");
    const documents = new Map([...head.documents, ["phase2/messaging/kafka.json", kafka]]);
    await elsewhere.append({ documents, author: "elsewhere", comment: "", rollbackOf: 0n }, head.revision);
    expect(seen).toEqual([1n]);
    log.setUnreachable("");
    await expect.poll(() => seen).toEqual([1n, 2n]);
    stop.abort();
    await reading;
  });
});
