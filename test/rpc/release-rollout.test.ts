import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  AppliedOutcome,
  type WatchMessagingConfigResponse,
} from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { RolloutState } from "../../gen/centralhub/config/v1/release_pb.ts";
import { edited } from "../config/documents.ts";
import { temporaryDirectory } from "../support/hub.ts";
import { failure, startReleaseHub } from "./release-hub.ts";

type Hub = Awaited<ReturnType<typeof startReleaseHub>>;

const KAFKA = "phase2/messaging/kafka.json";
const SERVICE = "trading-engine";

function words(text: string): Record<string, string> {
  return { [KAFKA]: edited([[KAFKA, "Login, logout and session events.", text]]).get(KAFKA) ?? "" };
}

/** An instance that reports what its judge makes of each snapshot: an error, or "" when it takes it. */
async function startInstance(hub: Hub, instance: string, judge: (revision: bigint) => string | undefined) {
  const stop = new AbortController();
  const seen: WatchMessagingConfigResponse[] = [];
  const reading = (async () => {
    const request = { service: SERVICE, instance };
    for await (const message of hub.config.watchMessagingConfig(request, { signal: stop.signal })) {
      seen.push(message);
      const { header, nonce } = message;
      const error = header && message.event.case === "snapshot" ? judge(header.revision) : undefined;
      if (!header || error === undefined) continue;
      const outcome = error ? AppliedOutcome.REJECTED : AppliedOutcome.APPLIED;
      const { epoch, revision } = header;
      await hub.config.reportApplied({ service: SERVICE, instance, epoch, revision, nonce, outcome, error });
    }
  })().catch(() => {});
  onTestFinished(() => stop.abort());
  while (seen.length === 0) await sleep(5);
  return {
    seen,
    stop: async () => {
      stop.abort();
      await reading;
    },
  };
}

const takes = (): string => "";

describe("a publish that waits", () => {
  it("answers when the share has applied it, and GetRollout names everyone", async () => {
    const hub = await startReleaseHub();
    await startInstance(hub, "a", takes);
    await startInstance(hub, "b", takes);
    await startInstance(hub, "c", (revision) => (revision === 1n ? "" : "cannot read it"));
    await startInstance(hub, "d", (revision) => (revision === 1n ? "" : undefined));
    const { rollout, rolledBackBy } = await hub.releases.publishConfig({
      documents: words("1"),
      expectedRevision: 1n,
      wait: { service: SERVICE, share: 0.5, timeout: { seconds: 10n } },
    });
    expect(rollout).toMatchObject({ reached: true, applied: 2 });
    expect(rolledBackBy).toBe(0n);
    await expect.poll(async () => (await hub.releases.getRollout({})).summary?.rejected).toBe(1);
    const { instances, summary, revision } = await hub.releases.getRollout({
      revision: 2n,
      service: SERVICE,
    });
    expect(revision?.revision).toBe(2n);
    expect(instances.map(({ instance, state, error }) => [instance, state, error])).toEqual([
      ["a", RolloutState.APPLIED, ""],
      ["b", RolloutState.APPLIED, ""],
      ["c", RolloutState.REJECTED, "cannot read it"],
      ["d", RolloutState.BEHIND, ""],
    ]);
    expect(instances.map(({ appliedRevision }) => appliedRevision)).toEqual([2n, 2n, 1n, 1n]);
    expect(summary).toMatchObject({ reached: false, applied: 2, rejected: 1, behind: 1, silent: 0 });
  });

  it("answers when its time is up, with how far it has come, and the revision stays", async () => {
    const hub = await startReleaseHub();
    const gone = await startInstance(hub, "a", takes);
    await startInstance(hub, "b", () => undefined);
    await gone.stop();
    const began = performance.now();
    const { rollout, revision } = await hub.releases.publishConfig({
      documents: words("1"),
      expectedRevision: 1n,
      wait: { timeout: { seconds: 0n, nanos: 300_000_000 } },
    });
    expect(performance.now() - began).toBeGreaterThan(290);
    expect(rollout).toMatchObject({ reached: false, behind: 1, silent: 1 });
    expect(revision?.revision).toBe(2n);
    expect((await hub.releases.getRevision({})).revision?.revision).toBe(2n);
  });

  it("is rolled back by the hub when as many as it said refuse it, and they are not sent it again", async () => {
    const hub = await startReleaseHub();
    const refuses = (revision: bigint) => (revision === 2n ? "cannot read it" : "");
    const a = await startInstance(hub, "a", refuses);
    const b = await startInstance(hub, "b", refuses);
    const { rolledBackBy, rollout, revision } = await hub.releases.publishConfig({
      documents: words("1"),
      expectedRevision: 1n,
      wait: { service: SERVICE, rollbackOnRejections: 2 },
    });
    expect(revision?.revision).toBe(2n);
    expect(rollout).toMatchObject({ reached: false, rejected: 2 });
    expect(rolledBackBy).toBe(3n);
    const { revision: newest } = await hub.releases.getRevision({});
    expect(newest).toMatchObject({ revision: 3n, rollbackOf: 1n });
    expect(newest?.comment).toBe("rolled back by the hub: 2 instances rejected revision 2");
    await expect.poll(async () => (await hub.releases.getRollout({})).summary?.applied).toBe(2);
    expect(await hub.audit()).toMatchObject([
      { action: "publish", outcome: "done", revision: "2" },
      { action: "rollback", outcome: "done", revision: "3" },
    ]);
    // The same content again: nobody is bothered with it, and it does not stand.
    const again = await hub.releases.publishConfig({
      documents: words("1"),
      expectedRevision: 3n,
      wait: { service: SERVICE, rollbackOnRejections: 2 },
    });
    expect(again.rolledBackBy).toBe(5n);
    for (const { seen } of [a, b]) expect(seen.map(({ header }) => header?.revision)).toEqual([1n, 2n, 3n]);
  });

  it("tells that it was done also when the rollback came too late, and why there was none", async () => {
    const hub = await startReleaseHub();
    let isHeld = true;
    await startInstance(hub, "a", (revision) => (revision === 2n && isHeld ? undefined : "no"));
    const publishing = hub.releases.publishConfig({
      documents: words("1"),
      expectedRevision: 1n,
      wait: { service: SERVICE, rollbackOnRejections: 1, timeout: { seconds: 10n } },
    });
    await expect.poll(async () => (await hub.releases.getRevision({})).revision?.revision).toBe(2n);
    isHeld = false;
    const [other, { nonce }] = await Promise.all([
      hub.releases.publishConfig({ documents: words("2"), expectedRevision: 2n }),
      nonceOf(hub, 2n),
    ]);
    expect(other.revision?.revision).toBe(3n);
    const { epoch } = await headerOf(hub);
    const report = { service: SERVICE, instance: "a", epoch, revision: 2n, nonce, error: "no" };
    await hub.config.reportApplied({ ...report, outcome: AppliedOutcome.REJECTED });
    const { revision, rolledBackBy, findings, rollout } = await publishing;
    expect(revision?.revision).toBe(2n);
    expect(rolledBackBy).toBe(0n);
    expect(rollout).toMatchObject({ rejected: 1 });
    expect(findings).toMatchObject([
      { rule: "release.not_rolled_back", message: expect.stringContaining("the newest, which is 3") },
    ]);
    expect((await hub.releases.getRevision({})).revision?.revision).toBe(3n);
  });

  it("is rolled back also when its caller has not waited for the end", async () => {
    const hub = await startReleaseHub();
    const a = await startInstance(hub, "a", (revision) => (revision === 2n ? undefined : ""));
    const say = (error: string): void => {
      const { header, nonce } = a.seen.at(-1) ?? {};
      const { epoch = "", revision = 0n } = header ?? {};
      const outcome = AppliedOutcome.REJECTED;
      const report = { service: SERVICE, instance: "a", epoch, revision, nonce: nonce ?? "", outcome, error };
      hub.config.reportApplied(report).catch(() => {});
    };
    const left = await failure(
      hub.releases.publishConfig(
        { documents: words("1"), expectedRevision: 1n, wait: { rollbackOnRejections: 1 } },
        { timeoutMs: 300 },
      ),
    );
    expect(left.code).toBe("DeadlineExceeded");
    await expect.poll(() => a.seen.length).toBe(2);
    say("cannot read it");
    await expect.poll(async () => (await hub.releases.getRevision({})).revision?.revision).toBe(3n);
    expect((await hub.releases.getRevision({})).revision).toMatchObject({ rollbackOf: 1n });
  });

  it("does not keep a hub from stopping", async () => {
    const hub = await startReleaseHub();
    await startInstance(hub, "a", () => undefined);
    const publishing = hub.releases.publishConfig({
      documents: words("1"),
      expectedRevision: 1n,
      wait: { rollbackOnRejections: 1, timeout: { seconds: 300n } },
    });
    await expect.poll(async () => (await hub.releases.getRevision({})).revision?.revision).toBe(2n);
    const began = performance.now();
    await hub.stop();
    expect(performance.now() - began).toBeLessThan(5_000);
    // What was done is told.
    expect(await publishing).toMatchObject({ revision: { revision: 2n }, rollout: { reached: false } });
  });
});

describe("ReportApplied", () => {
  it("refuses a report of another history, and one that says nothing", async () => {
    const hub = await startReleaseHub();
    const { epoch } = await headerOf(hub);
    const report = { service: SERVICE, instance: "a", epoch, revision: 1n, nonce: "n" };
    const call = (change: object) => failure(hub.config.reportApplied({ ...report, ...change }));
    const outcome = AppliedOutcome.REJECTED;
    expect(await call({ epoch: "another", outcome, error: "no" })).toMatchObject({
      code: "OutOfRange",
      reason: "HISTORY_GONE",
    });
    expect(await call({ outcome })).toMatchObject({ code: "InvalidArgument" });
    expect(await call({})).toMatchObject({ code: "InvalidArgument" });
    expect(await call({ outcome, error: "x".repeat(4_097) })).toMatchObject({ code: "InvalidArgument" });
  });

  it("refuses a content that its revision did not have, and records nothing of it", async () => {
    const hub = await startReleaseHub();
    const { epoch } = await headerOf(hub);
    const { nonce: first } = await nonceOf(hub, 1n);
    await hub.releases.publishConfig({ documents: words("1"), expectedRevision: 1n });
    const { nonce: second } = await nonceOf(hub, 2n);
    const report = { service: SERVICE, instance: "a", epoch, outcome: AppliedOutcome.APPLIED };
    for (const wrong of [
      { revision: 2n, nonce: first },
      { revision: 1n, nonce: second },
      { revision: 2n, nonce: "n" },
    ])
      expect(await failure(hub.config.reportApplied({ ...report, ...wrong }))).toMatchObject({
        code: "InvalidArgument",
        reason: "INVALID_REQUEST",
        message: expect.stringMatching(/^nonce: revision \d had no content of this name/),
      });
    expect((await hub.releases.getRollout({})).instances).toEqual([]);
    // A report of an older revision's content counts as well.
    await hub.config.reportApplied({ ...report, revision: 1n, nonce: first });
    await hub.config.reportApplied({ ...report, revision: 2n, nonce: second });
    const { instances } = await hub.releases.getRollout({});
    expect(instances).toMatchObject([{ instance: "a", appliedRevision: 2n }]);
  });

  it("of a revision that the hub has not heard of is UNAVAILABLE, also when its service is not known yet", async () => {
    const hub = await startReleaseHub();
    const { epoch } = await headerOf(hub);
    const report = { instance: "a", epoch, revision: 2n, nonce: "n", outcome: AppliedOutcome.APPLIED };
    for (const service of [SERVICE, "just-added"])
      expect(await failure(hub.config.reportApplied({ ...report, service }))).toMatchObject({
        code: "Unavailable",
        reason: "LOG_UNAVAILABLE",
      });
    const unknown = { ...report, revision: 1n, service: "just-added" };
    expect(await failure(hub.config.reportApplied(unknown))).toMatchObject({ reason: "UNKNOWN_SERVICE" });
  });
});

describe("a restart of a lone hub", () => {
  it.each(["stopped", "killed"])(
    "that was %s leaves it knowing who took what and who did not",
    async (end) => {
      const before = await startReleaseHub();
      const taking = await startInstance(before, "a", takes);
      const refusing = await startInstance(before, "b", (revision) =>
        revision === 1n ? "" : "cannot read it",
      );
      const waiting = await startInstance(before, "c", (revision) => (revision === 1n ? "" : undefined));
      const wait = { service: SERVICE, timeout: { seconds: 10n }, rollbackOnRejections: 0, share: 0.3 };
      await before.releases.publishConfig({ documents: words("1"), expectedRevision: 1n, wait });
      const rejected = async () => (await before.releases.getRollout({})).summary?.rejected;
      await expect.poll(rejected, { timeout: 5_000 }).toBe(1);
      const header = refusing.seen[0]?.header;
      let { dataDir } = before;
      if (end === "killed") {
        // What is on the disk at a moment when nobody has stopped anything.
        const reported = async () => await readFile(join(dataDir, "rollout.jsonl"), "utf8").catch(() => "");
        await expect.poll(async () => /cannot read it/.test(await reported()), { timeout: 5_000 }).toBe(true);
        const copy = await temporaryDirectory();
        await cp(dataDir, copy, { recursive: true, filter: (path) => !path.endsWith(".lock") });
        dataDir = copy;
      } else {
        for (const one of [taking, refusing, waiting]) await one.stop();
        await before.stop();
      }
      const after = await startReleaseHub({ dataDir });
      const { instances, summary } = await after.releases.getRollout({ revision: 2n });
      expect(instances).toMatchObject([
        { instance: "a", state: RolloutState.APPLIED, appliedRevision: 2n },
        { instance: "b", state: RolloutState.REJECTED, appliedRevision: 1n, error: "cannot read it" },
        { instance: "c", state: RolloutState.SILENT, appliedRevision: 1n },
      ]);
      expect(summary).toMatchObject({ applied: 1, rejected: 1, silent: 1, behind: 0 });
      for (const { lastSeenTime } of instances)
        expect(Math.abs(Number(lastSeenTime?.seconds) * 1000 - Date.now())).toBeLessThan(60_000);
      // What it runs on is of revision 1; revision 2, which it has refused, is not sent to it again.
      const resume = { epoch: header?.epoch ?? "", revision: 1n };
      const request = { service: SERVICE, instance: "b", resume };
      for await (const { event } of after.config.watchMessagingConfig(request)) {
        expect(event.case).toBe("bookmark");
        break;
      }
    },
  );
});

async function headerOf(hub: Hub): Promise<{ epoch: string; revision: bigint }> {
  const { header } = await hub.config.getKafkaTopics({});
  if (!header) throw new Error("no header");
  return header;
}

/** The nonce of what a revision holds for the service, which a watch from the revision before it is sent. */
async function nonceOf(hub: Hub, revision: bigint): Promise<{ nonce: string }> {
  for await (const message of hub.config.watchMessagingConfig({ service: SERVICE })) {
    if (message.header?.revision === revision) return { nonce: message.nonce };
    throw new Error(`revision ${revision} is past`);
  }
  throw new Error("the stream has ended");
}
