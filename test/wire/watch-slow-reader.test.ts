import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, it } from "vitest";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { freePort, metricOf, startHubProcess } from "../config-live/hub-process.ts";
import { fileOf, tinyDocuments } from "../config-live/tiny.ts";
import { historyOf, WireFollower } from "../config-live/wire-follower.ts";
import { temporaryDirectory } from "../support/hub.ts";
import { startProcess } from "../support/process.ts";

const SECONDS = process.env.LONG ? 60 : 10;
const PER_SECOND = 50;
const MIB = 1024 * 1024;

/** A document of some 20 kB that does not compress, so that what piles up can be seen. */
function large(value: number): string {
  const padding = Object.fromEntries(
    Array.from({ length: 40 }, (_, at) => [
      `t${at}`,
      {
        name: `d.t${at}`,
        partitions: 1,
        retention_ms: -1,
        cleanup_policy: "delete",
        description: randomBytes(300).toString("base64"),
      },
    ]),
  );
  const topics = { d: padding };
  return JSON.stringify({
    description: `phase2 kafka ${value}`,
    bootstrap_servers: ["k:9092"],
    topics,
    consumer_groups: {},
  });
}

it("a reader that stands still costs the hub nothing, keeps nobody waiting, and has the newest when it goes on", async () => {
  const place = {
    port: await freePort(),
    dataDir: await temporaryDirectory(),
    configDir: await temporaryDirectory(Object.fromEntries(tinyDocuments())),
  };
  const hub = await startHubProcess(place);
  const transport = createGrpcTransport({ baseUrl: hub.url });
  const releases = createClient(ReleaseService, transport);
  const others = Array.from(
    { length: 5 },
    () =>
      new WireFollower(createGrpcTransport({ baseUrl: hub.url }), {
        service: "",
        instance: "",
        systems: [],
        version: "",
      }),
  );
  const reader = startProcess([hub.url], {}, "test/config-live/stopped-reader.ts");
  await reader.waitFor(/snapshot 1/);
  await expect.poll(() => others.every(({ newest }) => newest === 1n)).toBe(true);

  const publishedAt = new Map<bigint, number>();
  let newest = 1n;
  const publishFor = async (seconds: number): Promise<void> => {
    const began = performance.now();
    for (let count = 0; performance.now() < began + seconds * 1_000; count++) {
      const documents = { [fileOf("phase2 kafka")]: large(Number(newest)) };
      const { revision } = await releases.publishConfig({ documents, expectedRevision: newest });
      newest = revision?.revision ?? newest;
      publishedAt.set(newest, performance.now());
      await sleep(Math.max(0, began + ((count + 1) * 1_000) / PER_SECOND - performance.now()));
    }
  };
  // What the hub needs for publishing alone is not the reader's doing.
  await publishFor(3);
  const before = await metricOf(hub.url, "process_resident_memory_bytes");
  reader.process.kill("SIGSTOP");
  const seenBefore = reader.out().split("\n").length;
  const stoppedAt = newest;
  const stopped = performance.now();
  await publishFor(SECONDS);
  const rate = Number(newest - stoppedAt) / ((performance.now() - stopped) / 1_000);
  const after = await metricOf(hub.url, "process_resident_memory_bytes");
  await expect.poll(() => others.every((one) => one.newest === newest), { timeout: 5_000 }).toBe(true);
  reader.process.kill("SIGCONT");
  await expect
    .poll(() => reader.out(), { timeout: 15_000 })
    .toMatch(new RegExp(`(snapshot|bookmark) ${newest}\n`));

  const delays = others.flatMap(({ events }) =>
    events.flatMap((event) => {
      if (!("message" in event)) return [];
      const at = publishedAt.get(event.message.header?.revision ?? 0n);
      return at === undefined ? [] : [event.at - at];
    }),
  );
  delays.sort((a, b) => a - b);
  const p99 = delays[Math.floor(delays.length * 0.99)] ?? Number.NaN;
  const caughtUpWith = reader.out().split("\n").length - seenBefore;
  const growth = (after - before) / MIB;
  process.stdout.write(
    `${SECONDS} s at ${rate.toFixed(0)} publishes/s: memory ${(before / MIB).toFixed(0)} MiB grew by ${growth.toFixed(0)} MiB, ` +
      `others late by ${p99.toFixed(0)} ms (99 of 100, ${delays.length} messages), ` +
      `the reader had ${Number(newest - stoppedAt)} revisions in ${caughtUpWith} messages\n`,
  );
  expect(growth).toBeLessThan(150);
  expect(p99).toBeLessThan(1_000);
  // What the sockets held, and then the newest: not everything that it missed.
  expect(caughtUpWith).toBeLessThan(Number(newest - stoppedAt) / 2);
  const revisions = [...reader.out().matchAll(/(?:snapshot|bookmark) (\d+)/g)].map(([, revision]) =>
    Number(revision),
  );
  expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
  const history = await historyOf(transport);
  for (const one of others) {
    await one.stop();
    one.judge(history);
  }
}, 180_000);
