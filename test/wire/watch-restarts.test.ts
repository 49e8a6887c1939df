import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, it } from "vitest";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { verifyRevisionFile } from "../../src/adapters/files/revision-file.ts";
import { freePort, startHubProcess } from "../config-live/hub-process.ts";
import { fileOf, SLOTS, type Slot, textOf, tinyDocuments } from "../config-live/tiny.ts";
import { FOLLOWERS } from "../config-live/watch-steps.ts";
import { historyOf, WAYS, WireFollower } from "../config-live/wire-follower.ts";
import { temporaryDirectory } from "../support/hub.ts";

const KILLS = Number(process.env.KILLS ?? 20);

it(
  "a hub that is killed at any moment has every revision that it acknowledged, and no watcher is led astray",
  async () => {
    const place = {
      port: await freePort(),
      dataDir: await temporaryDirectory(),
      configDir: await temporaryDirectory(Object.fromEntries(tinyDocuments())),
    };
    let hub = await startHubProcess(place);
    const { url } = hub;
    const transport = createGrpcTransport({ baseUrl: url });
    const releases = createClient(ReleaseService, transport);
    const followers = Object.values(WAYS).flatMap((connect, way) => {
      const own = connect(url);
      return FOLLOWERS.slice(0, 4).map(
        (follower) =>
          new WireFollower(own, {
            ...follower,
            instance: follower.instance && `${follower.instance}-${way}`,
          }),
      );
    });

    const acknowledged = new Map<bigint, string>();
    const codes = new Map<string, number>();
    let isOver = false;
    const publisher = async (name: string): Promise<void> => {
      for (let count = 0; !isOver; count++) {
        const comment = `${name} ${count}`;
        // Everyone's content is new with each revision, so that each must be heard of.
        const slots: readonly Slot[] = SLOTS;
        const documents = Object.fromEntries(slots.map((slot) => [fileOf(slot), textOf(slot, comment)]));
        try {
          const newest = (await releases.getRevision({})).revision?.revision ?? 0n;
          const { revision } = await releases.publishConfig({ documents, expectedRevision: newest, comment });
          if (revision) acknowledged.set(revision.revision, comment);
          await sleep(Math.random() * 10);
        } catch (error) {
          const code = Code[ConnectError.from(error).code];
          codes.set(code, (codes.get(code) ?? 0) + 1);
          await sleep(20);
        }
      }
    };
    const publishing = ["a", "b"].map(publisher);
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(100 + Math.random() * 500);
      await hub.kill("SIGKILL");
      const { fault } = await verifyRevisionFile(join(place.dataDir, "revisions.log"));
      expect(fault).toBeUndefined();
      hub = await startHubProcess(place);
    }
    isOver = true;
    await Promise.all(publishing);

    const documents = Object.fromEntries(SLOTS.map((slot) => [fileOf(slot), textOf(slot, "the last")]));
    const expectedRevision = (await releases.getRevision({})).revision?.revision ?? 0n;
    const last = await releases.publishConfig({ documents, expectedRevision, comment: "the last" });
    const newest = last.revision?.revision ?? 0n;
    await expect
      .poll(() => followers.filter((follower) => follower.newest !== newest).length, { timeout: 10_000 })
      .toBe(0);

    const { entries, fault } = await verifyRevisionFile(join(place.dataDir, "revisions.log"));
    expect(fault).toBeUndefined();
    expect(BigInt(entries)).toBe(newest);
    const listed = new Map<bigint, string>();
    for (let pageToken = ""; ; ) {
      const { revisions, nextPageToken } = await releases.listRevisions({ pageSize: 1_000, pageToken });
      for (const { revision, comment } of revisions) listed.set(revision, comment);
      pageToken = nextPageToken;
      if (!pageToken) break;
    }
    expect([...listed.keys()]).toEqual(Array.from({ length: Number(newest) }, (_, at) => BigInt(at + 1)));
    for (const [revision, comment] of acknowledged)
      expect([revision, listed.get(revision)]).toEqual([revision, comment]);
    expect(new Set(listed.values()).size).toBe(listed.size);

    const history = await historyOf(transport);
    for (const follower of followers) await follower.stop();
    for (const follower of followers) follower.judge(history);
    const ends = new Set(followers.flatMap(({ ends: all }) => all));
    expect(ends).not.toContain("OutOfRange");
    expect(acknowledged.size).toBeGreaterThan(KILLS);
    process.stdout.write(
      `${KILLS} kills, ${acknowledged.size} of ${newest} revisions acknowledged, publishers saw ${JSON.stringify([...codes])}, ` +
        `${followers.length} watchers saw ${followers.reduce((sum, { events }) => sum + events.length, 0)} events and ${[...ends]}\n`,
    );
  },
  60_000 + KILLS * 5_000,
);
