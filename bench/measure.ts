import { type Load, type Loaded, loadClosed } from "./h2load.ts";
import type { Server } from "./process.ts";

/** How long and how often. */
export interface Effort {
  /** Rounds of A B B A. */
  readonly rounds: number;
  /** Of one run. */
  readonly seconds: number;
}

/** One side of a comparison. */
export interface Side {
  /** The process whose time and memory are told; undefined: nobody's. */
  readonly server: Pick<Server, "cpuSeconds" | "residentBytes"> | undefined;
  run(seconds: number): Promise<Loaded>;
}

/** The side of a server that answers a load. */
export function loaded(server: Server, load: Load): Side {
  return { server, run: (seconds) => loadClosed(load, seconds) };
}

/** The middle of some figures, and how far they lie apart. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** What one side did in all its runs. */
export interface Figures {
  readonly perSecond: Spread;
  /** Of the server's process, for 1,000 answers. */
  readonly cpuSecondsPer1000: Spread;
  readonly residentBytes: number;
}

/** A comparison. */
export interface Comparison {
  readonly hub: Figures;
  readonly peer: Figures;
  /** Answers per second, hub to peer. */
  readonly ratio: Spread;
  /** Processor time of an answer, peer to hub: what the ratio would be if nothing else ran on the machine. */
  readonly cpuRatio: Spread;
}

interface Run extends Loaded {
  readonly cpuSeconds: number;
}

// Long enough for Node to have compiled what is hot.
const WARM_SECONDS = 2;

/** Runs A B B A, so that whatever drifts on the machine meets both sides alike. */
export async function interleave<Value>(
  rounds: number,
  first: () => Promise<Value>,
  second: () => Promise<Value>,
): Promise<readonly { readonly a: readonly Value[]; readonly b: readonly Value[] }[]> {
  const all: { readonly a: Value[]; readonly b: Value[] }[] = [];
  for (let round = 0; round < rounds; round++) {
    const a = [await first()];
    const b = [await second(), await second()];
    a.push(await first());
    all.push({ a, b });
  }
  return all;
}

/** Loads the hub and a peer with the same work. */
export async function compare(hub: Side, peer: Side, { rounds, seconds }: Effort): Promise<Comparison> {
  for (const side of [hub, peer]) await side.run(Math.min(WARM_SECONDS, 2 * seconds));
  const all = await interleave(
    rounds,
    () => timed(hub, seconds),
    () => timed(peer, seconds),
  );
  const rate = (runs: readonly Run[]): number => mean(runs.map(({ perSecond }) => perSecond));
  return {
    hub: figures(
      hub.server,
      all.flatMap(({ a }) => a),
    ),
    peer: figures(
      peer.server,
      all.flatMap(({ b }) => b),
    ),
    ratio: spread(all.map(({ a, b }) => rate(a) / rate(b))),
    cpuRatio: spread(all.map(({ a, b }) => cpuOf(b) / cpuOf(a))),
  };
}

/** The median, the least and the most. */
export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN };
}

/** Of sorted figures. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

async function timed({ server, run }: Side, seconds: number): Promise<Run> {
  const before = server?.cpuSeconds() ?? Number.NaN;
  const done = await run(seconds);
  return { ...done, cpuSeconds: (server?.cpuSeconds() ?? Number.NaN) - before };
}

function figures(server: Side["server"], runs: readonly Run[]): Figures {
  return {
    perSecond: spread(runs.map(({ perSecond }) => perSecond)),
    cpuSecondsPer1000: spread(runs.map((run) => cpuOf([run]))),
    residentBytes: server?.residentBytes() ?? Number.NaN,
  };
}

function cpuOf(runs: readonly Run[]): number {
  const requests = runs.reduce((sum, run) => sum + run.requests, 0);
  return (runs.reduce((sum, run) => sum + run.cpuSeconds, 0) / requests) * 1_000;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
