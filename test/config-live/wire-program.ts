import { setTimeout as sleep } from "node:timers/promises";
import { createClient, type Transport } from "@connectrpc/connect";
import { expect } from "vitest";
import { ReleaseService } from "../../gen/centralhub/config/v1/release_service_pb.ts";
import { fileOf, flagsOf, SLOTS, textOf } from "./tiny.ts";
import { FOLLOWERS } from "./watch-steps.ts";
import { historyOf, WireFollower } from "./wire-follower.ts";

const SECONDS = Number(process.env.SECONDS ?? 4);
/** So many revisions there are at least, however slow the machine is. */
const REVISIONS = 25n;

function pick<Item>(items: readonly Item[]): Item {
  const item = items[Math.floor(Math.random() * items.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
}

/**
 * Publishes at random while followers read, dawdle, are cut off and come back, and judges at the end what each of them
 * saw by the whole history.
 */
export async function followAndJudge(publishing: Transport, following: Transport): Promise<void> {
  const releases = createClient(ReleaseService, publishing);
  const slow = () => (Math.random() < 0.3 ? 100 : 0);
  const followers = [...FOLLOWERS, ...FOLLOWERS].map(
    (follower, at) =>
      new WireFollower(
        following,
        { ...follower, instance: follower.instance && `${follower.instance}-${at}` },
        at % 2 ? slow : undefined,
      ),
  );
  let newest = 1n;
  const publish = async (documents: Record<string, string>): Promise<void> => {
    const { revision } = await releases.publishConfig({ documents, expectedRevision: newest });
    newest = revision?.revision ?? newest;
  };
  const until = performance.now() + SECONDS * 1_000;
  while (performance.now() < until || newest < REVISIONS) {
    const chance = Math.random();
    if (chance < 0.1) {
      const services = pick([[], ["sa"], ["sb"], ["sa", "sb"]]);
      await publish({ "flags.json": flagsOf({ services, instances: pick([[], ["i3-3"]]) }) });
    } else {
      const slots = chance < 0.5 ? SLOTS : [pick(SLOTS)];
      const value = pick([0, 1]);
      await publish(Object.fromEntries(slots.map((slot) => [fileOf(slot), textOf(slot, value)])));
    }
    if (Math.random() < 0.4) pick(followers).cut();
    await sleep(Math.random() * 30);
  }
  await publish(Object.fromEntries(SLOTS.map((slot) => [fileOf(slot), textOf(slot, "last")])));
  await expect
    .poll(() => followers.every((follower) => follower.newest === newest), { timeout: 5_000 })
    .toBe(true);
  const history = await historyOf(publishing);
  for (const follower of followers) await follower.stop();
  for (const follower of followers) follower.judge(history);
  const ends = followers.flatMap((follower) => follower.ends);
  expect(new Set(ends)).toEqual(new Set(["Canceled"]));
  expect(ends.length).toBeGreaterThan(followers.length);
}
