import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { RetryInfoSchema } from "../../gen/google/rpc/error_details_pb.ts";
import { fileOf, textOf, tinyDocuments } from "../config-live/tiny.ts";
import { WAYS } from "../config-live/wire-follower.ts";
import { followAndJudge } from "../config-live/wire-program.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";

describe.each(Object.entries(WAYS))("a watch over %s", (_name, connect) => {
  it("keeps its promises under publishes, cuts and slow readers", async () => {
    const configDir = await temporaryDirectory(Object.fromEntries(tinyDocuments()));
    const hub = await startTestHub({ configDir, bookmarkIntervalMs: 300, watchWindowRevisions: 60 });
    await followAndJudge(createGrpcTransport({ baseUrl: hub.url }), connect(hub.url));
  });

  it("ends with UNAVAILABLE when the hub stops, and says when to come back", async () => {
    const hub = await startTestHub();
    const client = createClient(ConfigService, connect(hub.url));
    let count = 0;
    const ended = (async () => {
      for await (const _message of client.watchMessagingConfig({})) count += 1;
    })().then(
      () => undefined,
      (error: unknown) => ConnectError.from(error),
    );
    await expect.poll(() => count).toBe(1);
    await hub.stop();
    const error = await ended;
    expect(error?.code).toBe(Code.Unavailable);
    const delay = error?.findDetails(RetryInfoSchema)[0]?.retryDelay;
    expect(Number(delay?.seconds) * 1_000 + Number(delay?.nanos) / 1e6).toBeLessThanOrEqual(2_000);
  });

  it("tells a resume point that is gone, and one of another history, OUT_OF_RANGE", async () => {
    const configDir = await temporaryDirectory(Object.fromEntries(tinyDocuments()));
    const hub = await startTestHub({ configDir, watchWindowRevisions: 2, catchUpMs: 100 });
    const releases = createClient(ReleaseService, createGrpcTransport({ baseUrl: hub.url }));
    for (const at of [1, 2, 3]) {
      const documents = { [fileOf("phase2 kafka")]: textOf("phase2 kafka", at) };
      await releases.publishConfig({ documents, expectedRevision: BigInt(at) });
    }
    const client = createClient(ConfigService, connect(hub.url));
    const first = async (resume?: { epoch: string; revision: bigint }) => {
      const stop = new AbortController();
      try {
        const request = resume ? { resume } : {};
        for await (const message of client.watchMessagingConfig(request, { signal: stop.signal }))
          return message;
      } catch (error) {
        return Code[ConnectError.from(error).code];
      } finally {
        stop.abort();
      }
      return "the end";
    };
    const message = await first();
    if (!message || typeof message === "string" || !message.header) throw new Error("no first message");
    const { epoch } = message.header;
    expect(message.event.case).toBe("snapshot");
    expect(await first({ epoch, revision: 4n })).toMatchObject({ event: { case: "bookmark" } });
    expect(await first({ epoch, revision: 3n })).toMatchObject({ event: { case: "snapshot" } });
    expect(await first({ epoch, revision: 2n })).toBe("OutOfRange");
    expect(await first({ epoch: "another", revision: 4n })).toBe("OutOfRange");
    expect(await first({ epoch, revision: 5n })).toBe("Unavailable");
    expect(await first({ epoch: "", revision: 1n })).toBe("InvalidArgument");
  });
});
