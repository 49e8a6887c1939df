import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { describe, expect, it, onTestFinished } from "vitest";
import { ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { RolloutState } from "../../gen/centralhub/config/v1/release_pb.ts";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { verifyRevisionFile } from "../../src/adapters/files/revision-file.ts";
import { freePort, metricOf, type Place, startHubProcess } from "../config-live/hub-process.ts";
import { fileOf, SLOTS, textOf, tinyDocuments } from "../config-live/tiny.ts";
import { FOLLOWERS } from "../config-live/watch-steps.ts";
import { historyOf, WAYS, WireFollower } from "../config-live/wire-follower.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";

async function place(): Promise<Place> {
  return {
    port: await freePort(),
    dataDir: await temporaryDirectory(),
    configDir: await temporaryDirectory(Object.fromEntries(tinyDocuments())),
    workers: 2,
  };
}

/** The processes that a process has started, and that are not gone. */
function childrenOf(pid: number): number[] {
  const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return pids === "" ? [] : pids.split(" ").map(Number);
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return true;
  }
}

async function ready(url: string): Promise<boolean> {
  return (await fetch(`${url}/readyz`)).status === 200;
}

const PATIENCE = { timeout: 20_000, interval: 50 };

describe("a hub of two workers", () => {
  it("has others in the place of workers that are killed at any moment; no watcher is led astray, nothing acknowledged is lost", async () => {
    const at = await place();
    const hub = await startHubProcess(at);
    const releases = createClient(ReleaseService, createGrpcTransport({ baseUrl: hub.url }));
    const followers = Object.values(WAYS).flatMap((connect, way) =>
      FOLLOWERS.slice(0, 4).map(
        (follower) =>
          new WireFollower(connect(hub.url), {
            ...follower,
            instance: follower.instance && `${follower.instance}-${way}`,
          }),
      ),
    );
    const acknowledged = new Map<bigint, string>();
    let isOver = false;
    const publisher = async (name: string): Promise<void> => {
      for (let count = 0; !isOver; count++) {
        const comment = `${name} ${count}`;
        const documents = Object.fromEntries(SLOTS.map((slot) => [fileOf(slot), textOf(slot, comment)]));
        try {
          const expectedRevision = (await releases.getRevision({})).revision?.revision ?? 0n;
          const { revision } = await releases.publishConfig({ documents, expectedRevision, comment });
          if (revision) acknowledged.set(revision.revision, comment);
          await sleep(Math.random() * 20);
        } catch {
          await sleep(20);
        }
      }
    };
    const publishing = ["a", "b"].map(publisher);
    const kills = Number(process.env.KILLS ?? 6);
    for (let kill = 0; kill < kills; kill++) {
      await sleep(200 + Math.random() * 800);
      const [first = 0, second = 0] = childrenOf(hub.pid);
      process.kill(kill % 2 ? first : second, "SIGKILL");
      await expect.poll(() => ready(hub.url).catch(() => false), PATIENCE).toBe(true);
    }
    isOver = true;
    await Promise.all(publishing);
    expect(await metricOf(hub.url, "hub_worker_restarts")).toBe(kills);
    const documents = Object.fromEntries(SLOTS.map((slot) => [fileOf(slot), textOf(slot, "the last")]));
    const expectedRevision = (await releases.getRevision({})).revision?.revision ?? 0n;
    const last = await releases.publishConfig({ documents, expectedRevision, comment: "the last" });
    const newest = last.revision?.revision ?? 0n;
    await expect
      .poll(() => followers.filter((follower) => follower.newest !== newest).length, PATIENCE)
      .toBe(0);
    const { revisions } = await releases.listRevisions({ pageSize: 1_000 });
    const listed = new Map(revisions.map(({ revision, comment }) => [revision, comment]));
    for (const [revision, comment] of acknowledged) expect(listed.get(revision)).toBe(comment);
    expect(acknowledged.size).toBeGreaterThan(kills);
    const history = await historyOf(createGrpcTransport({ baseUrl: hub.url }));
    for (const follower of followers) await follower.stop();
    for (const follower of followers) follower.judge(history);
    // No instance counts as connected that has gone with its worker.
    const states = async () => new Set((await releases.getRollout({})).instances.map(({ state }) => state));
    await expect.poll(states, PATIENCE).toEqual(new Set([RolloutState.SILENT]));
  }, 240_000);

  it("ends with its primary, however that ended, and leaves port and history to the next", async () => {
    const at = await place();
    const hub = await startHubProcess(at);
    const releases = createClient(ReleaseService, createGrpcTransport({ baseUrl: hub.url }));
    const documents = { [fileOf("phase2 kafka")]: textOf("phase2 kafka", 1) };
    await releases.publishConfig({ documents, expectedRevision: 1n, comment: "acknowledged" });
    const workers = childrenOf(hub.pid);
    expect(workers).toHaveLength(2);
    await hub.kill("SIGKILL");
    await expect.poll(() => workers.every(isGone), PATIENCE).toBe(true);
    expect(await verifyRevisionFile(join(at.dataDir, "revisions.log"))).toMatchObject({ entries: 2 });
    const next = await startHubProcess(at);
    const client = createClient(ReleaseService, createGrpcTransport({ baseUrl: next.url }));
    expect((await client.getRevision({})).revision?.comment).toBe("acknowledged");
  });

  it("lets a worker go that is asked to, and another serves before long", async () => {
    const hub = await startHubProcess(await place());
    const config = createClient(ConfigService, createGrpcTransport({ baseUrl: hub.url }));
    await config.getKafkaTopics({});
    for (const pid of childrenOf(hub.pid)) {
      process.kill(pid, "SIGTERM");
      await expect.poll(() => isGone(pid), PATIENCE).toBe(true);
      await expect.poll(() => ready(hub.url), PATIENCE).toBe(true);
      await config.getKafkaTopics({});
    }
    expect(await metricOf(hub.url, "hub_worker_restarts")).toBe(0);
    expect(childrenOf(hub.pid)).toHaveLength(2);
    const workers = childrenOf(hub.pid);
    await hub.kill("SIGTERM");
    expect(workers.every(isGone)).toBe(true);
  });

  it("acknowledges a publish although a worker hangs, which is ended and shows nothing old to anybody", async () => {
    const hub = await startHubProcess(await place());
    const clients = Array.from({ length: 4 }, () => createGrpcTransport({ baseUrl: hub.url }));
    const configs = clients.map((transport) => createClient(ConfigService, transport));
    for (const config of configs) await config.getKafkaTopics({});
    const [hangs = 0] = childrenOf(hub.pid);
    process.kill(hangs, "SIGSTOP");
    onTestFinished(() => void (isGone(hangs) || process.kill(hangs, "SIGKILL")));
    const fresh = createClient(ReleaseService, createGrpcTransport({ baseUrl: hub.url }));
    const publish = async () => {
      const documents = { [fileOf("phase2 kafka")]: textOf("phase2 kafka", 1) };
      return await fresh.publishConfig({ documents, expectedRevision: 1n }, { timeoutMs: 30_000 });
    };
    // The first connection may have been handed to the one that hangs; it is ended then, and the client comes back.
    const began = performance.now();
    const first = await publish().catch(publish);
    expect(first.revision?.revision).toBe(2n);
    expect(performance.now() - began).toBeLessThan(25_000);
    await expect.poll(() => isGone(hangs), PATIENCE).toBe(true);
    for (const config of configs) {
      const { header } = await config.getKafkaTopics({}).catch(() => config.getKafkaTopics({}));
      expect(header?.revision).toBe(2n);
    }
  });

  it("says that the port is taken, and leaves nothing behind", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void other.close());
    const { port } = other.address() as { port: number };
    const dataDir = await temporaryDirectory();
    await expect(startTestHub({ workers: 2, port, dataDir })).rejects.toThrow("EADDRINUSE");
    await startTestHub({ workers: 2, dataDir });
  });

  it("says why its workers cannot serve", async () => {
    const files = { "cert.pem": "no certificate", "key.pem": "no key" };
    const directory = await temporaryDirectory(files);
    const tls = { tlsCert: join(directory, "cert.pem"), tlsKey: join(directory, "key.pem") };
    await expect(startTestHub({ workers: 2, ...tls })).rejects.toThrow(/PEM/i);
  });
});
