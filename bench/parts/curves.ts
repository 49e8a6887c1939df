import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Curve, plot } from "../plot.ts";
import type { Report } from "../results.ts";
import { eventsCurve } from "./curve-events.ts";
import { topicsCurve } from "./curve-topics.ts";
import { usersCurve } from "./curve-users.ts";
import { watchersCurve } from "./curve-watchers.ts";

/** What one cause does to several figures. */
export interface Growth {
  /** Of the file, in bench/. */
  readonly file: string;
  readonly title: string;
  /** The cause. */
  readonly xName: string;
  readonly curves: readonly Curve[];
  /** What bends them. */
  readonly why: string;
}

/** How the hub's costs grow with topics, watchers and events; the curves are drawn beside the results. */
export async function curves(): Promise<Report> {
  const lines: string[] = [];
  const failures: string[] = [];
  for (const measure of [topicsCurve, watchersCurve, eventsCurve, usersCurve]) {
    const growth = await measure().catch((error: unknown) => {
      failures.push(`${measure.name}: ${error instanceof Error ? error.message : error}`);
      return undefined;
    });
    if (!growth) continue;
    const { file, title, xName, curves: drawn, why } = growth;
    await writeFile(join(import.meta.dirname, "..", file), plot(title, xName, drawn));
    lines.push(`![${title}](${file})`, "", ...table(xName, drawn), "", why, "");
  }
  // What was measured is told all the same.
  if (failures.length > 0) process.stdout.write(`${lines.join("\n")}\n`);
  if (failures.length > 0) throw new Error(failures.join("; "));
  return { lines, bars: [] };
}

function table(xName: string, drawn: readonly Curve[]): string[] {
  const causes = [...new Set(drawn.flatMap(({ points }) => points.map(([x]) => x)))];
  const rows = causes.map((cause) => {
    const cells = drawn.map(({ points }) => points.find(([x]) => x === cause)?.[1]);
    return `| ${[cause.toLocaleString("en-US"), ...cells.map((value) => (value === undefined ? "–" : shown(value)))].join(" | ")} |`;
  });
  const head = [xName, ...drawn.map(({ name }) => name)];
  return [`| ${head.join(" | ")} |`, `|${head.map(() => "---").join("|")}|`, ...rows];
}

function shown(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));
}
