/** Adds a listener; one that listens twice hears twice, and stops each alone. Returns the way to stop. */
export function listen<Event>(
  listeners: Set<(event: Event) => void>,
  listener: (event: Event) => void,
): () => void {
  const own = (event: Event): void => listener(event);
  listeners.add(own);
  return () => void listeners.delete(own);
}

/**
 * Tells every listener. What is told has come about whatever a listener makes of it: what one throws must neither keep
 * it from the others nor fail who tells, so it surfaces as an uncaught error of its own.
 */
export function tell<Event>(listeners: Iterable<(event: Event) => void>, event: Event): void {
  for (const listener of [...listeners]) {
    try {
      listener(event);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
