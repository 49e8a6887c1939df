import * as module from "node:module";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Long enough that the first calls have been answered, so that what they needed is compiled. */
const QUIET_MS = 1_000;
/** A heap that is larger already is full of what is served, and to walk through it would keep callers waiting. */
const HEAP_MAX_BYTES = 64 * 1024 * 1024;

/**
 * V8 takes to making objects of the old generation where many that were made in one place have outlived a collection, as
 * the streams of a burst of calls do. It then makes every stream old, with all that hangs on it: each collection of young
 * objects copies what is long dead, and only one of the whole heap, of tens of milliseconds, takes it away.
 */
const YOUNG_AT_FIRST = "--no-allocation-site-pretenuring";

/**
 * Once the start is over: objects are made young from then on. What V8 has compiled is kept for the next start, where the launcher has named a place for it, and
 * memory that only the start needed is given back. V8 grows its space for young objects while a hundred
 * modules are loaded, and a hub that is idle then would hold it for ever.
 */
export function settleAfterStart(): void {
  setFlagsFromString(YOUNG_AT_FIRST);
  setTimeout(() => {
    module.flushCompileCache();
    if (process.memoryUsage().heapUsed <= HEAP_MAX_BYTES) collectAll();
  }, QUIET_MS).unref();
}

// Node hands out the collector to those only that were started with a flag.
function collectAll(): void {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as NodeJS.GCFunction;
  setFlagsFromString("--no-expose-gc");
  // Of this kind alone V8 takes the space for young objects back.
  collect({ type: "major", execution: "sync", flavor: "last-resort" });
}
