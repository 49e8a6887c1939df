import { rm } from "node:fs/promises";
import { expect, it } from "vitest";
import { RolloutState } from "../../gen/centralhub/config/v1/release_pb.ts";
import { startHub } from "../../src/hub.ts";
import { silentLogger } from "../../src/telemetry/logger.ts";
import { startTestHub, temporaryDirectory, testSettings } from "../support/hub.ts";
import { follow, publish, standing, until } from "./support.ts";

async function stoppableHub(dataDir: string) {
  return await startHub(testSettings({ dataDir }), silentLogger);
}

it("a hub that starts again is resumed from: no step back, nothing applied twice, and it hears of everyone again", async () => {
  const dataDir = await temporaryDirectory();
  const hub = await stoppableHub(dataDir);
  const applied: bigint[] = [];
  const client = follow({ url: hub.url, apply: ({ header }) => void applied.push(header.revision) });
  await client.ready();
  const picky = follow({
    url: hub.url,
    apply({ header }) {
      if (header.revision === 2n) throw new Error("not this one");
    },
  });
  await picky.ready();
  await publish(hub.url, "two");
  await until(() => client.current()?.header.revision === 2n);
  await until(() => picky.errors.length > 0);
  await hub.stop();
  await until(() => client.errors.length > 0);
  expect(client.current()).toMatchObject({ source: "live", header: { revision: 2n } });
  const again = await startTestHub({ dataDir, port: hub.port });
  await until(async () => (await standing(again.url, client.instance))?.state === RolloutState.APPLIED);
  await until(async () => (await standing(again.url, picky.instance))?.error === "not this one");
  expect(picky.current()?.header.revision).toBe(1n);
  await publish(again.url, "three");
  await until(() => client.current()?.header.revision === 3n);
  await until(() => picky.current()?.header.revision === 3n);
  expect(applied).toEqual([1n, 2n, 3n]);
});

it("what was published while the client could not be reached comes with its return", async () => {
  const dataDir = await temporaryDirectory();
  const hub = await stoppableHub(dataDir);
  const client = follow({ url: hub.url });
  await client.ready();
  await hub.stop();
  const elsewhere = await stoppableHub(dataDir);
  await publish(elsewhere.url, "two");
  await publish(elsewhere.url, "three");
  await elsewhere.stop();
  await startTestHub({ dataDir, port: hub.port });
  await until(() => client.current()?.kafka?.description === "three");
  expect(client.current()?.header.revision).toBe(3n);
});

it("a restored history, in a new epoch, is taken although its revisions are older", async () => {
  const dataDir = await temporaryDirectory();
  const hub = await stoppableHub(dataDir);
  const client = follow({ url: hub.url });
  const { epoch } = (await client.ready()).header;
  await publish(hub.url, "two");
  await until(() => client.current()?.header.revision === 2n);
  await hub.stop();
  await rm(dataDir, { recursive: true });
  const restored = await startTestHub({ port: hub.port });
  await until(() => client.current()?.header.revision === 1n);
  expect(client.current()?.header.epoch).not.toBe(epoch);
  expect(client.errors.map(String).join()).toContain("out_of_range");
  await until(async () => (await standing(restored.url, client.instance))?.state === RolloutState.APPLIED);
});
