import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, it, onTestFinished } from "vitest";
import { AppliedOutcome, ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { runCli, startCli } from "./run-cli.ts";
import { changedDocuments, KAFKA } from "./working-copy.ts";

/** An instance that answers each snapshot but the first. */
function startInstance(url: string, service: string, instance: string, error: string): void {
  const hub = createClient(ConfigService, createGrpcTransport({ baseUrl: url }));
  const controller = new AbortController();
  onTestFinished(() => controller.abort());
  void (async () => {
    const { signal } = controller;
    for await (const { header, nonce, event } of hub.watchMessagingConfig(
      { service, instance },
      { signal },
    )) {
      if (event.case !== "snapshot") continue;
      const { epoch = "", revision = 0n } = header ?? {};
      const isRefused = error !== "" && revision === 2n;
      const outcome = isRefused ? AppliedOutcome.REJECTED : AppliedOutcome.APPLIED;
      await hub.reportApplied({
        service,
        instance,
        epoch,
        revision,
        nonce,
        outcome,
        error: isRefused ? error : "",
      });
    }
  })().catch(() => {});
}

async function untilApplied(url: string, count: number): Promise<void> {
  for (;;) {
    const { out } = await runCli(["rollout", "--url", url]);
    if (out.includes(`: ${count} applied`)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("publish, waiting for the rollout", () => {
  it("ends when the share runs on it", async () => {
    const { url, documents, publish } = await changedDocuments();
    startInstance(url, "data-bridge", "a", "");
    startInstance(url, "data-bridge", "b", "");
    await untilApplied(url, 2);
    const args = publish(documents.path(KAFKA), "--expected-revision", "1", "--wait-share", "0.9");
    const { code, out, err } = await runCli(args);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/^rollout: 2 applied, 0 rejected, 0 behind, 0 silent$/m);
  });

  it("fails when the share is not reached in time, although the revision is there", async () => {
    const { url, documents, publish } = await changedDocuments();
    const watching = startCli(["watch", "--url", url, "--service", "data-bridge", "--instance", "a"]);
    await expect.poll(watching.out).toMatch(/^snapshot revision 1/);
    const wait = ["--wait-service", "data-bridge", "--wait-timeout", "0.2", "--output", "json"];
    const { code, out, err } = await runCli(
      publish(documents.path(KAFKA), "--expected-revision", "1", ...wait),
    );
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      revision: { revision: 2 },
      rollout: { reached: false, applied: 0, behind: 1 },
      rolled_back_by: 0,
    });
    expect(err).toBe(
      "central-hub: revision 2 is published, but not applied by 100 % of the live instances within 0.2 s: " +
        "0 applied, 0 rejected, 1 behind, 0 silent\n",
    );
    watching.stop();
    await watching.ended;
  });

  it("fails when the hub rolled back", async () => {
    const { url, documents, publish } = await changedDocuments();
    startInstance(url, "data-bridge", "a", "twelve are too many");
    await untilApplied(url, 1);
    const args = ["--expected-revision", "1", "--rollback-on-rejections", "1"];
    const { code, out, err } = await runCli(publish(documents.path(KAFKA), ...args));
    expect(code).toBe(1);
    expect(out).toMatch(/^revision 2, /m);
    expect(err).toBe("central-hub: revision 2 was rolled back by revision 3: 1 rejected it\n");
    expect((await runCli(["diff", "1", "3", "--url", url])).out).toBe("");
  });
});
