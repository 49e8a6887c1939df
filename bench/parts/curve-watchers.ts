import { setTimeout as sleep } from "node:timers/promises";
import { buildHerd, type Told } from "../herd.ts";
import { startBenchHub } from "../hub.ts";
import { withServers } from "../kept.ts";
import { spread } from "../measure.ts";
import type { Growth } from "./curves.ts";
import { STREAMS, watchedHub } from "./watchers.ts";

const WHY =
  "Below a thousand watchers a change costs what its publishing costs; above, each watcher adds the same: one write to its stream. Memory is the process's own until the streams outweigh it.";
const SIZES = [10, 100, 1_000, 10_000];
const CHANGES = 10;
const SETTLE_MS = 2_000;

interface Costs {
  readonly lastMs: number;
  readonly cpuMs: number;
  readonly megabytes: number;
}

/** What watchers cost: the time of a change until the last has it, the processor's part of it, and memory. */
export async function watchersCurve(): Promise<Growth> {
  const program = await buildHerd();
  const costs: [number, Costs][] = [];
  for (const watchers of SIZES) costs.push([watchers, await measure(program, watchers)]);
  const curve = (name: string, pick: (one: Costs) => number) => ({
    name,
    points: costs.map(([watchers, one]) => [watchers, pick(one)] as const),
  });
  return {
    why: WHY,
    file: "curve-watchers.svg",
    title: "More watchers",
    xName: "watchers",
    curves: [
      curve("change → last, ms", (one) => one.lastMs),
      curve("CPU of a change, ms", (one) => one.cpuMs),
      curve("memory, MB", (one) => one.megabytes),
    ],
  };
}

async function measure(program: string, watchers: number): Promise<Costs> {
  return await withServers(async (keep) => {
    const hub = await keep(startBenchHub());
    const watched = await watchedHub(program, hub);
    const herd = await keep(watched.open(watchers, STREAMS));
    await sleep(SETTLE_MS);
    const megabytes = hub.residentBytes() / 1e6;
    await watched.change(herd);
    const before = hub.cpuSeconds();
    const told: Told[] = [];
    for (let change = 0; change < CHANGES; change++) told.push(await watched.change(herd));
    return {
      megabytes,
      cpuMs: ((hub.cpuSeconds() - before) / CHANGES) * 1_000,
      lastMs: spread(told.map((one) => one.sentToLastUs)).median / 1_000,
    };
  });
}
