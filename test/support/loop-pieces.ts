// Loaded into a hub before it starts: tells, at each SIGUSR2, in a line of the standard error how long it has worked without a turn
// for others since the last one, by the processor time of its main thread, which other programs do not add to.
import { isMainThread } from "node:worker_threads";

/** Milliseconds of processor time between two turns. */
export interface LoopPieces {
  readonly turns: number;
  readonly p99: number;
  readonly longest: number;
}

if (isMainThread) {
  let pieces: number[] = [];
  let before = spent();
  const turn = (): void => {
    const now = spent();
    pieces.push(now - before);
    before = now;
    setTimeout(turn, 1).unref();
  };
  turn();
  process.on("SIGUSR2", () => {
    const sorted = pieces.sort((a, b) => a - b);
    const report: LoopPieces = {
      turns: sorted.length,
      p99: sorted[Math.floor(sorted.length * 0.99)] ?? 0,
      longest: sorted.at(-1) ?? 0,
    };
    process.stderr.write(`pieces ${JSON.stringify(report)}\n`);
    pieces = [];
  });
}

function spent(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
