import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Curve, plot } from "../plot.ts";
import type { Report } from "../results.ts";
import { eventsCurve } from "./curve-events.ts";
import { topicsCurve } from "./curve-topics.ts";
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
  for (const measure of [topicsCurve, watchersCurve, eventsCurve]) {
    const { file, title, xName, curves: drawn, why } = await measure();
    await writeFile(join(import.meta.dirname, "..", file), plot(title, xName, drawn));
    lines.push(`![${title}](${file})`, "", ...table(xName, drawn), "", why, "");
  }
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
