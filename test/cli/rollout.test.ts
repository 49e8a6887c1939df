import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { AppliedOutcome, ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { startTestHub } from "../support/hub.ts";
import { runCli, startCli } from "./run-cli.ts";

/** A hub with one instance that applied, one that rejected, one that is behind and one that is silent. */
async function startHubWithInstances(): Promise<string> {
  const { url } = await startTestHub();
  const hub = createClient(ConfigService, createGrpcTransport({ baseUrl: url }));
  const watch = async (service: string, instance: string, count: string) => {
    const args = ["--service", service, "--instance", instance, "--count", count, "--output", "json"];
    const running = startCli(["watch", "--url", url, ...args]);
    await expect.poll(running.out).toContain("\n");
    return JSON.parse(running.out());
  };
  const report = async (instance: string, error: string) => {
    const { epoch, revision, nonce } = await watch("data-bridge", instance, "2");
    const outcome = error ? AppliedOutcome.REJECTED : AppliedOutcome.APPLIED;
    await hub.reportApplied({
      service: "data-bridge",
      instance,
      epoch,
      revision: BigInt(revision),
      nonce,
      outcome,
      error,
    });
  };
  await report("a", "");
  await report("b", "no such\u001b[31m topic");
  await watch("live-collector", "c", "2");
  await watch("live-collector", "d", "1");
  await expect.poll(async () => (await runCli(["rollout", "--url", url])).out).toContain("1 silent");
  return url;
}

describe("rollout", () => {
  it("shows every instance and their counts, as a table", async () => {
    const url = await startHubWithInstances();
    const { code, out, err } = await runCli(["rollout", "--url", url]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const lines = out.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^SERVICE +INSTANCE +STATE +APPLIED +LAST SEEN +ERROR$/);
    expect(lines[1]).toMatch(/^data-bridge +a +applied +1 +\S+Z$/);
    expect(lines[2]).toMatch(/^data-bridge +b +rejected +\S+Z +no such\\u\{1b\}\[31m topic$/);
    expect(lines[3]).toMatch(/^live-collector +c +behind +\S+Z$/);
    expect(lines[4]).toMatch(/^live-collector +d +silent +\S+Z$/);
    expect(lines[5]).toBe("revision 1: 1 applied, 1 rejected, 1 behind, 1 silent");
    expect((await runCli(["rollout", "1", "--url", url])).out).toBe(out);
  });

  it("shows those of one service, as JSON and YAML", async () => {
    const url = await startHubWithInstances();
    const args = ["rollout", "--service", "data-bridge", "--url", url];
    const data = JSON.parse((await runCli([...args, "--output", "json"])).out);
    expect(data).toMatchObject({
      revision: { revision: 1, author: "file" },
      instances: [
        { instance: "a", state: "applied", applied_revision: 1, error: "" },
        { instance: "b", state: "rejected", applied_revision: 0, error: "no such\u001b[31m topic" },
      ],
      summary: { reached: false, applied: 1, rejected: 1, behind: 0, silent: 0 },
    });
    expect(parse((await runCli([...args, "--output", "yaml"])).out)).toEqual(data);
  });

  it("says when there is nobody, and when there is no such revision", async () => {
    const { url } = await startTestHub();
    const { out } = await runCli(["rollout", "--url", url]);
    expect(out).toBe(
      "SERVICE  INSTANCE  STATE  APPLIED  LAST SEEN  ERROR\n" +
        "revision 1: 0 applied, 0 rejected, 0 behind, 0 silent\n",
    );
    const { code, err } = await runCli(["rollout", "7", "--url", url]);
    expect({ code, err }).toEqual({
      code: 1,
      err: "central-hub: revision: 7 is not there; revisions are 1 to 1 (NOT_FOUND)\n",
    });
    expect(await runCli(["rollout", "1", "2"])).toMatchObject({ code: 2 });
  });
});
