import * as module from "node:module";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Long enough that the first calls have been answered, so that what they needed is compiled. */
const SETTLE_MS = 1_000;
const LOOK_MS = 1_000;
/** Processor time between two looks up to which nothing much is going on, and the looks that find it so one after the other. */
const QUIET_CPU_US = 30_000;
const QUIET_LOOKS = 2;
/** Least time between two collections: a call that comes just then waits for its end, up to a fifth of a second. */
const COLLECT_GAP_MS = 600_000;
/** A heap that is larger is full of what is served, and to walk through it would keep callers waiting. */
const HEAP_MAX_BYTES = 96 * 1024 * 1024;
const YOUNG_MAX_BYTES = 8 * 1024 * 1024;

/**
 * V8 takes to making objects of the old generation where many that were made in one place have outlived a collection, as
 * the streams of a burst of calls do. It then makes every stream old, with all that hangs on it: each collection of young
 * objects copies what is long dead, and only one of the whole heap, of tens of milliseconds, takes it away.
 */
const YOUNG_AT_FIRST = "--no-allocation-site-pretenuring";

/**
 * Once the start is over: objects are made young from then on. What V8 has compiled is kept for the next start, where the
 * launcher has named a place for it. Memory that only the start needed is given back, and later that which only a burst of
 * calls or of watchers needed: V8 grows its space for young objects to tens of MiB, and a hub that is quiet after that would
 * hold it for ever.
 */
export function settleAfterStart(): void {
  setFlagsFromString(YOUNG_AT_FIRST);
  setTimeout(() => {
    module.flushCompileCache();
    giveBack();
    giveBackWhenQuiet();
  }, SETTLE_MS).unref();
}

function giveBackWhenQuiet(): void {
  let used = process.cpuUsage();
  let quietLooks = 0;
  let notBefore = 0;
  setInterval(() => {
    const { user, system } = process.cpuUsage(used);
    used = process.cpuUsage();
    quietLooks = user + system <= QUIET_CPU_US ? quietLooks + 1 : 0;
    if (quietLooks < QUIET_LOOKS || performance.now() < notBefore) return;
    if (giveBack()) notBefore = performance.now() + COLLECT_GAP_MS;
  }, LOOK_MS).unref();
}

// Says whether there was anything to give back.
function giveBack(): boolean {
  const spaces = getHeapSpaceStatistics();
  const young = spaces.find(({ space_name }) => space_name === "new_space")?.physical_space_size ?? 0;
  const all = spaces.reduce((sum, { space_used_size }) => sum + space_used_size, 0);
  if (young <= YOUNG_MAX_BYTES || all > HEAP_MAX_BYTES) return false;
  collectAll();
  return true;
}

// Node hands out the collector to those only that were started with a flag.
function collectAll(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as NodeJS.GCFunction;
  setFlagsFromString("--no-expose-gc");
  // Of this kind alone V8 takes the space for young objects back.
  collect({ type: "major", execution: "sync", flavor: "last-resort" });
}
