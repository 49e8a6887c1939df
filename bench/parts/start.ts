import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { freePorts } from "../../test/support/servers/child.ts";
import { callOnce } from "../grpc.ts";
import { hubProgram } from "../hub.ts";
import { type Effort, spread } from "../measure.ts";
import { cpuSecondsOf, residentBytesOf, SERVER_CORE, startOn } from "../process.ts";
import type { Report } from "../results.ts";
import { topicsCall } from "./topics.ts";

const BAR_SECONDS = 0.6;
const BAR_MB = 110;
const GIVE_UP_MS = 30_000;
const LOOK_MS = 5;
const IDLE_MS = 3_000;

interface Start {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly idleBytes: number;
}

/** From the start of the process to its first answer, and what it holds when it has nothing to do. */
export async function start({ rounds }: Effort): Promise<Report> {
  // It finds nothing that was compiled before, as of this bundle, and leaves that to all later ones.
  const first = await startOnce();
  const starts: Start[] = [];
  for (let round = 0; round < rounds; round++) starts.push(await startOnce());
  const seconds = spread(starts.map((one) => one.seconds));
  const cpu = spread(starts.map((one) => one.cpuSeconds));
  const idle = spread(starts.map((one) => one.idleBytes));
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(0);
  const text = (value: number): string => value.toFixed(2);
  return {
    lines: [
      "| | median | least | most |",
      "|---|---|---|---|",
      `| start of the process → first answer, s | ${[seconds.median, seconds.min, seconds.max].map(text).join(" | ")} |`,
      `| processor time until then, s | ${[cpu.median, cpu.min, cpu.max].map(text).join(" | ")} |`,
      `| the first start of a version, which compiles it: s, of processor time | ${text(first.seconds)}, ${text(first.cpuSeconds)} | | |`,
      `| memory when idle, MB | ${[idle.median, idle.min, idle.max].map(mb).join(" | ")} |`,
    ],
    bars: [
      {
        work: "start of the process → first answer",
        bar: `≤ ${BAR_SECONDS} s`,
        measured: `${text(seconds.median)} s, of which the processor worked ${text(cpu.median)} s`,
        isMet: seconds.median <= BAR_SECONDS,
      },
      {
        work: "memory when idle",
        bar: `≤ ${BAR_MB} MB`,
        measured: `${mb(idle.median)} MB`,
        isMet: idle.median <= BAR_MB * 1e6,
      },
    ],
  };
}

async function startOnce(): Promise<Start> {
  const { program, authorization } = await hubProgram();
  const [port = 0] = await freePorts(1);
  const began = performance.now();
  const child = startOn(SERVER_CORE, program, port);
  try {
    const call = topicsCall(port, authorization);
    while (
      !(await callOnce(call).then(
        () => true,
        () => false,
      ))
    ) {
      if (performance.now() - began > GIVE_UP_MS)
        throw new Error(`the hub has not started: ${child.output()}`);
      await sleep(LOOK_MS);
    }
    const seconds = (performance.now() - began) / 1_000;
    const cpuSeconds = cpuSecondsOf(child.pid);
    await sleep(IDLE_MS);
    return { seconds, cpuSeconds, idleBytes: residentBytesOf(child.pid) };
  } finally {
    await child.kill();
    await rm(program.temporary ?? "", { recursive: true, force: true });
  }
}
