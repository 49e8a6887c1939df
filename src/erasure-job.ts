import type { Erasure } from "./data/erasure.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Logger } from "./telemetry/logger.ts";

interface Parts {
  readonly erasure: Erasure;
  readonly logger: Logger;
  readonly lifecycle: Lifecycle;
}

const FIRST_MS = 60_000;
const PERIOD_MS = 3_600_000;

/** Takes up erasures that were broken off, and lets go of what was restricted when nothing keeps it any longer: each hour. */
export function startErasures({ erasure, logger, lifecycle }: Parts): void {
  const stopped = new AbortController();
  let running: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    try {
      const users = await erasure.resume(stopped.signal);
      if (users > 0) logger.info({ users }, "erasures were carried on");
    } catch (error) {
      if (!stopped.signal.aborted)
        logger.warn({ err: error }, "an erasure could not be carried on; it is tried again within the hour");
    }
    if (!stopped.signal.aborted) timer = setTimeout(begin, PERIOD_MS).unref();
  };
  const begin = (): void => {
    running = look();
  };
  let timer = setTimeout(begin, FIRST_MS).unref();
  lifecycle.defer(async () => {
    clearTimeout(timer);
    stopped.abort();
    await running;
  });
}
