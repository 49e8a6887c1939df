// npm run bench -- [part…] [--rounds N] [--seconds S] [--quick]
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { etcdVersion } from "./etcd.ts";
import { h2loadVersion } from "./h2load.ts";
import { ROOT } from "./hub.ts";
import { stopAll } from "./kept.ts";
import type { Effort } from "./measure.ts";
import { natsVersion } from "./nats.ts";
import { check } from "./parts/check.ts";
import { curves } from "./parts/curves.ts";
import { embedded } from "./parts/embedded.ts";
import { fanout } from "./parts/fanout.ts";
import { latency } from "./parts/latency.ts";
import { memory } from "./parts/memory.ts";
import { reads } from "./parts/reads.ts";
import { relay } from "./parts/relay.ts";
import { rest } from "./parts/rest.ts";
import { start } from "./parts/start.ts";
import { userdata } from "./parts/userdata.ts";
import { workers } from "./parts/workers.ts";
import { circumstances, type Report, writeSection } from "./results.ts";

interface Part {
  readonly title: string;
  readonly run: (effort: Effort) => Promise<Report>;
}

const PARTS: Readonly<Record<string, Part>> = {
  reads: { title: "Hot reads over gRPC", run: reads },
  rest: { title: "REST", run: rest },
  latency: { title: "Time of an answer at a steady rate", run: latency },
  fanout: { title: "From a change to its watchers", run: fanout },
  memory: { title: "Memory of watchers", run: memory },
  start: { title: "Start, and memory when idle", run: start },
  workers: { title: "Two workers against one process", run: workers },
  userdata: { title: "User data", run: userdata },
  relay: { title: "From the outbox to Kafka", run: relay },
  embedded: { title: "Reads of configuration during an import", run: embedded },
  curves: { title: "Costs as it grows", run: curves },
};

/** A part that takes longer hangs. */
const PART_MS = 15 * 60_000;

/** What is run when nothing is chosen. */
const MAIN = Object.keys(PARTS).filter((name) => name !== "curves");

const USAGE = `npm run bench -- [part…] [--rounds N] [--seconds S] [--quick]
Parts, all by default: ${MAIN.join(", ")}; and "curves", how costs grow; "check", which loads nothing
--rounds N   rounds of A B B A; 5 by default
--seconds S  length of one run; 2 by default
--quick      runs of 1 second`;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string" },
      quick: { type: "boolean", default: false },
    },
  });
  const effort: Effort = {
    rounds: Number(values.rounds),
    seconds: Number(values.seconds ?? (values.quick ? 1 : 2)),
  };
  if (positionals.join() === "check") {
    process.stdout.write(`${(await check()).join("\n")}\n`);
    return 0;
  }
  const chosen = positionals.length > 0 ? positionals : MAIN;
  const unknown = chosen.filter((name) => !PARTS[name]);
  if (unknown.length > 0 || !(effort.rounds >= 1) || !(effort.seconds > 0)) {
    process.stderr.write(`${USAGE}\n`);
    return 2;
  }
  // A part that needs what is not there says so itself.
  const missing = (): string => "not there";
  const versions = {
    h2load: await h2loadVersion().catch(missing),
    etcd: await etcdVersion().catch(missing),
    "nats-server": await natsVersion().catch(missing),
  };
  execFileSync(process.execPath, [join(ROOT, "scripts/third-party-protos.ts")], { cwd: ROOT });
  execFileSync(process.execPath, [join(ROOT, "scripts/build.ts")], { cwd: ROOT });
  const failed: string[] = [];
  for (const name of chosen) {
    const part = PARTS[name];
    if (!part) continue;
    const began = performance.now();
    const facts = circumstances({
      ...versions,
      command: `npm run bench -- ${process.argv.slice(2).join(" ")}`.trim(),
    });
    process.stdout.write(`\n${part.title}\n${facts}\n`);
    // The others still have something to tell.
    const report = await inTime(part.run(effort)).catch((error: unknown): Report => {
      const reason = error instanceof Error ? error.message : String(error);
      process.stderr.write(`${name} has failed: ${reason}\n`);
      failed.push(name);
      return { lines: [`**This part has failed**: ${reason.split("\n")[0]}`], bars: [] };
    });
    if (failed.includes(name)) await stopAll();
    const { lines, bars } = report;
    const took = `this part took: ${Math.round((performance.now() - began) / 1_000)} s`;
    const table = bars.map(
      ({ work, bar, measured, isMet }) =>
        `| ${work} | ${bar} | ${measured} | ${isMet ? "met" : "**short**"} |`,
    );
    const verdicts =
      table.length > 0 ? ["| work | bar | measured | |", "|---|---|---|---|", ...table, ""] : [];
    const text = [...verdicts, ...lines].join("\n");
    process.stdout.write(`${text}\n`);
    writeSection(name, part.title, `${text}\n\n${facts} · ${took}`, Object.keys(PARTS));
  }
  if (failed.length > 0) process.stderr.write(`These parts have failed: ${failed.join(", ")}\n`);
  return failed.length > 0 ? 1 : 0;
}

async function inTime(work: Promise<Report>): Promise<Report> {
  const late = Promise.withResolvers<never>();
  const text = `it has not ended within ${PART_MS / 60_000} minutes`;
  const timer = setTimeout(() => late.reject(new Error(text)), PART_MS);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  return 1;
});
