import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import type { Comparison, Spread } from "./measure.ts";

const RESULTS = join(import.meta.dirname, "RESULTS.md");

/** A figure, and what it is to be. */
export interface Bar {
  readonly work: string;
  readonly bar: string;
  readonly measured: string;
  readonly isMet: boolean;
}

/** What a part has found. */
export interface Report {
  /** Lines of Markdown. */
  readonly lines: readonly string[];
  readonly bars: readonly Bar[];
}

const INTRODUCTION = `# Measured side by side

\`npm run bench\` starts the hub and its peers on this machine, one process each, and writes this file; a part that is run alone replaces
its own section. Servers run on core 0, what loads them on core 1. Both sides of a comparison do the same work in one run, interleaved
A B B A; a ratio is the median of the rounds, with the least and the most behind it. Every call brings a token (ES256), which the hub checks against
a local key set; peers of Node get the same requests and check nothing, etcd gets none. All programs of Node are started without flags; the hub itself turns off pretenuring in V8 (src/settling.ts). Requests per second suffer when anything else runs on the machine, which the load average
tells; processor time of an answer hardly does, so its ratio (peer to hub, as a rate would be) stands beside.
`;

/** Two decimals, with the range behind. */
export function ratioText({ median, min, max }: Spread): string {
  if (Number.isNaN(median)) return "–";
  return `${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`;
}

/** Thousands separated. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}

/** Milliseconds of microseconds. */
export function ms(microseconds: number): string {
  return (microseconds / 1_000).toFixed(microseconds < 10_000 ? 2 : 1);
}

export function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}

export const COMPARISON_HEAD = [
  "| against | ratio | by processor time | hub/s | peer/s | hub CPU s per 1,000 | peer CPU s per 1,000 | hub MiB | peer MiB |",
  "|---|---|---|---|---|---|---|---|---|",
];

/** One line of a table of comparisons. */
export function comparisonLine(name: string, { hub, peer, ratio, cpuRatio }: Comparison): string {
  const cells = [
    ...[
      name,
      ratioText(ratio),
      ratioText(cpuRatio),
      count(hub.perSecond.median),
      count(peer.perSecond.median),
    ],
    ...[hub, peer].map(({ cpuSecondsPer1000: { median } }) => known(median, (value) => value.toFixed(4))),
    ...[hub, peer].map(({ residentBytes }) => known(residentBytes, mib)),
  ];
  return `| ${cells.join(" | ")} |`;
}

function known(value: number, text: (value: number) => string): string {
  return Number.isNaN(value) ? "–" : text(value);
}

/** Whether the median reaches a bar. */
export function atLeast(work: string, bar: number, { ratio, cpuRatio }: Comparison): Bar {
  const byCpu = Number.isNaN(cpuRatio.median) ? "" : `, by processor time ${ratioText(cpuRatio)}`;
  const measured = `${ratioText(ratio)}${byCpu}`;
  return { work, bar: `≥ ${bar}`, measured, isMet: ratio.median >= bar };
}

/** Where and of what the figures are. */
export function circumstances(more: Readonly<Record<string, string>>): string {
  const git = (...args: string[]): string => execFileSync("git", args, { encoding: "utf8" }).trim();
  const isChanged = git("status", "--porcelain", "--", "src", "gen", "package-lock.json") !== "";
  const facts = {
    commit: `${git("rev-parse", "--short", "HEAD")}${isChanged ? " and changes" : ""}`,
    machine: `${cpus().length} × ${cpus()[0]?.model.trim()}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}`,
    Node: process.version,
    "load average at the start": loadavg()
      .map((value) => value.toFixed(2))
      .join(" "),
    at: new Date().toISOString().slice(0, 16),
    ...more,
  };
  return Object.entries(facts)
    .map(([name, value]) => `${name}: ${value}`)
    .join(" · ");
}

/** Puts a part's section into the file in place of its former one; sections stay in the given order. */
export function writeSection(name: string, title: string, text: string, order: readonly string[]): void {
  const sections = new Map<string, string>();
  for (const [, key = "", body = ""] of current().matchAll(
    /^<!-- (\w[\w-]*) -->\n([\s\S]*?)(?=^<!-- |$(?![\s\S]))/gm,
  )) {
    sections.set(key, body.trimEnd());
  }
  sections.set(name, `## ${title}\n\n${text.trimEnd()}`);
  const written = order.flatMap((key) => {
    const body = sections.get(key);
    return body === undefined ? [] : [`<!-- ${key} -->\n${body}\n`];
  });
  writeFileSync(RESULTS, [INTRODUCTION, ...written].join("\n"));
}

function current(): string {
  try {
    return readFileSync(RESULTS, "utf8");
  } catch {
    return "";
  }
}
