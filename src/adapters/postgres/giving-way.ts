import { execFile } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setPriority } from "node:os";
import { basename } from "node:path";
import { promisify } from "node:util";

/** From 0, what every thread has, to 19. */
const NICENESS = 10;

/**
 * Has calls that need no database come first where there are fewer cores than work: this thread, and those of V8, which
 * collect the garbage that it makes, get a lower priority and leave one core alone. However low its priority, Linux lets a
 * thread that it has woken run on for up to four milliseconds, and whoever is to answer on that core waits. Elsewhere, and
 * where it may not be done, all stays as it is.
 */
export async function giveWay(): Promise<void> {
  if (process.platform !== "linux") return;
  try {
    const threads = [basename(readlinkSync("/proc/thread-self")), ...threadsOfV8()];
    for (const thread of threads) setPriority(Number(thread), NICENESS);
    const cores = coresToUse(readFileSync("/proc/thread-self/status", "utf8"));
    // Node cannot do it, and nearly every Linux has the program that can.
    if (cores) await Promise.all(threads.map((thread) => taskset("taskset", ["-p", "-c", cores, thread])));
  } catch {}
}
const taskset = promisify(execFile);

/** All cores but the last of those that a thread may use, as its status in /proc tells them; undefined when it has but one. */
export function coresToUse(status: string): string | undefined {
  const [, list = ""] = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status) ?? [];
  const ranges = list.split(",").map((range) => range.split("-").map(Number));
  const last = ranges.pop() ?? [];
  const [from = 0, to = from] = last;
  if (to > from) ranges.push(to - 1 > from ? [from, to - 1] : [from]);
  return ranges.length === 0 ? undefined : ranges.map((range) => range.join("-")).join(",");
}

function threadsOfV8(): readonly string[] {
  return readdirSync("/proc/self/task").filter(
    (thread) => readFileSync(`/proc/self/task/${thread}/comm`, "utf8").trimEnd() === "V8Worker",
  );
}
