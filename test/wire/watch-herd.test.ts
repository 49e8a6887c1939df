import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { expect, it } from "vitest";
import { ConfigService } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { SHIPPED_CONFIG_DIR } from "../../src/settings/settings.ts";
import { SHIPPED } from "../config/documents.ts";
import { freePort, metricOf, startHubProcess } from "../config-live/hub-process.ts";
import { temporaryDirectory } from "../support/hub.ts";

const WATCHERS = process.env.LONG ? 5_000 : 1_000;
const CURRENT_WITHIN_MS = 10_000;
const KAFKA = "phase2/messaging/kafka.json";

/** A client with a connection of its own, which comes back only when it is told to. */
class Member {
  newest = 0n;
  #epoch = "";
  readonly #instance: string;
  readonly #url: string;
  #session: Http2SessionManager | undefined;

  constructor(url: string, instance: string) {
    this.#url = url;
    this.#instance = instance;
  }

  async follow(): Promise<void> {
    const sessionManager = new Http2SessionManager(this.#url);
    this.#session = sessionManager;
    const client = createClient(ConfigService, createGrpcTransport({ baseUrl: this.#url, sessionManager }));
    const resume = this.newest > 0n ? { resume: { epoch: this.#epoch, revision: this.newest } } : {};
    const request = { service: "trading-engine", instance: this.#instance, ...resume };
    for await (const { header } of client.watchMessagingConfig(request)) {
      this.#epoch = header?.epoch ?? "";
      this.newest = header?.revision ?? 0n;
    }
  }

  cut(): void {
    this.#session?.abort(new Error("cut"));
  }
}

it(`${WATCHERS} watchers that all come back at once are current within ${CURRENT_WITHIN_MS / 1_000} s`, async () => {
  const place = {
    port: await freePort(),
    dataDir: await temporaryDirectory(),
    configDir: SHIPPED_CONFIG_DIR,
  };
  let hub = await startHubProcess(place);
  const releases = createClient(ReleaseService, createGrpcTransport({ baseUrl: hub.url }));
  const members = Array.from({ length: WATCHERS }, (_, at) => new Member(hub.url, `i${at}`));
  let isOver = false;
  let gate = Promise.withResolvers<void>();
  gate.resolve();
  const live = async (member: Member): Promise<void> => {
    while (!isOver) {
      await gate.promise;
      await member.follow().catch(() => {});
      if (!isOver) await sleep(Math.random() * 500);
    }
  };
  const living = members.map(live);
  const areAt = async (revision: bigint, began = performance.now()): Promise<number> => {
    while (!members.every(({ newest }) => newest >= revision)) {
      if (performance.now() > began + 60_000)
        throw new Error(`${members.filter((m) => m.newest < revision).length} are late`);
      await sleep(10);
    }
    return performance.now() - began;
  };
  await areAt(1n);
  let newest = 1n;
  const publish = async (): Promise<bigint> => {
    const text = (SHIPPED.get(KAFKA) ?? "").replace("Login, logout", `Login ${newest}, logout`);
    const { revision } = await releases.publishConfig({
      documents: { [KAFKA]: text },
      expectedRevision: newest,
    });
    newest = revision?.revision ?? newest;
    return newest;
  };
  const published = performance.now();
  const toldAll = await areAt(await publish(), published);

  // All are cut off, miss a change, and come back in the same moment.
  gate = Promise.withResolvers();
  for (const member of members) member.cut();
  await expect.poll(() => metricOf(hub.url, "hub_watchers"), { timeout: 20_000 }).toBe(0);
  await publish();
  const cutOff = areAt(newest);
  gate.resolve();
  const cutOffMs = await cutOff;

  // The hub itself goes, and with it every connection.
  gate = Promise.withResolvers();
  await publish();
  await hub.kill("SIGKILL");
  hub = await startHubProcess(place);
  await publish();
  const restarted = areAt(newest);
  gate.resolve();
  const restartedMs = await restarted;
  const seconds = await metricOf(hub.url, "process_cpu_seconds_total");
  const memory = (await metricOf(hub.url, "process_resident_memory_bytes")) / 1024 / 1024;
  process.stdout.write(
    `${WATCHERS} watchers: a change reached all in ${toldAll.toFixed(0)} ms, after a cut all were current in ${cutOffMs.toFixed(0)} ms, ` +
      `after a restart in ${restartedMs.toFixed(0)} ms; memory ${memory.toFixed(0)} MiB, ${seconds.toFixed(1)} s of CPU since the restart\n`,
  );
  expect(cutOffMs).toBeLessThan(CURRENT_WITHIN_MS);
  expect(restartedMs).toBeLessThan(CURRENT_WITHIN_MS);
  isOver = true;
  for (const member of members) member.cut();
  await Promise.all(living);
}, 180_000);
