import type { AuditLog } from "../config/audit.ts";
import { Apply, type ApplyCaller, type ApplyEvent, type ApplyRequest } from "./apply.ts";
import type { Topology } from "./topology.ts";

/**
 * Runs applies, each by itself: who reads of one may be slow, or leave, and what is under way is seen through
 * nonetheless.
 */
export class Applies {
  readonly #topology: Topology;
  readonly #audit: AuditLog;
  readonly #running = new Set<Promise<void>>();
  readonly #stop = new AbortController();

  constructor(topology: Topology, audit: AuditLog) {
    this.#topology = topology;
    this.#audit = audit;
  }

  /** Tells of an apply as it goes. Throws what Apply.run throws, and then nothing has changed. */
  async *apply(request: ApplyRequest, caller: ApplyCaller, signal: AbortSignal): AsyncGenerator<ApplyEvent> {
    const left = new AbortController();
    const ended = AbortSignal.any([signal, left.signal, this.#stop.signal]);
    // No more than two for each step of the plan.
    const events: ApplyEvent[] = [];
    let more = Promise.withResolvers<void>();
    let end: { readonly error?: unknown } | undefined;
    const emit = (event: ApplyEvent): void => {
      events.push(event);
      more.resolve();
    };
    const running = new Apply(this.#topology, this.#audit, emit, ended).run(request, caller).then(
      () => {
        end = {};
        more.resolve();
      },
      (error: unknown) => {
        end = { error };
        more.resolve();
      },
    );
    this.#running.add(running);
    void running.then(() => this.#running.delete(running));
    try {
      for (;;) {
        for (let event = events.shift(); event; event = events.shift()) yield event;
        if (end) break;
        await more.promise;
        more = Promise.withResolvers<void>();
      }
    } finally {
      left.abort();
    }
    if ("error" in end) throw end.error;
  }

  /** Begins no more steps, and waits for those that are under way. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }
}
