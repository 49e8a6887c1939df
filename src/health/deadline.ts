/** How late a timer may be before it tells of a process that stood still, in milliseconds. */
const LAG_MS = 100;

/** Share of an interval by which a look may come early. */
const JITTER = 0.1;

/** The time until the next look, so that hubs that start together do not look together. Both in milliseconds. */
export function spread(intervalMs: number): number {
  return intervalMs * (1 - Math.random() * JITTER);
}

/**
 * Calls back when the time is up, and later when this process itself stood still meanwhile: what has been answered in
 * that time is still to be read, and the silence was not the other's. Returns the way to take it back. It keeps no
 * process alive.
 */
export function startDeadline(timeoutMs: number, giveUp: () => void): () => void {
  const began = performance.now();
  let timer: NodeJS.Timeout = setTimeout(() => {
    const lag = performance.now() - began - timeoutMs;
    if (lag < LAG_MS) giveUp();
    else timer = setTimeout(giveUp, Math.min(lag, timeoutMs)).unref();
  }, timeoutMs).unref();
  return () => clearTimeout(timer);
}
