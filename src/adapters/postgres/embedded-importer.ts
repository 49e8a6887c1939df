import type { DataRoutesConfig } from "../../../gen/centralhub/config/v1/data_routes_pb.ts";
import type { CallEnd, EventImporter, ImportCall, ImportWatch } from "../../data/event-import.ts";
import { NOBODY, type Patience } from "../../data/ingest.ts";
import { unavailable } from "./failure.ts";
import type { ThreadImports } from "./pglite.ts";
import { type ImportAnswer, monotonicMs } from "./pglite-messages.ts";

/** Where it has its work done, and whom it tells. */
export interface ImporterParts {
  /** Runs work with the database's thread, once that is open. */
  readonly use: <Result>(work: (imports: ThreadImports) => Promise<Result>) => Promise<Result>;
  /** Why the database could not be reached last; empty when it could. */
  readonly onOutage: (reason: string) => void;
  /** Called when something has been put into the outbox; undefined: there is none. */
  readonly onOutbox: (() => void) | undefined;
}

/** Has the thread of the embedded database read and store what calls with many events bring. */
export class EmbeddedImporter implements EventImporter {
  readonly #parts: ImporterParts;
  #watch: ImportWatch = { ...NOBODY, stored() {} };
  #isFollowed = false;
  #waiting = 0;
  // The thread that has been told last, and what.
  #told: { readonly imports: ThreadImports; routes: DataRoutesConfig | undefined } | undefined;

  constructor(parts: ImporterParts) {
    this.#parts = parts;
  }

  get waiting(): number {
    return this.#waiting;
  }

  tell(watch: ImportWatch): void {
    this.#watch = watch;
  }

  follow(isFollowed: boolean): void {
    this.#isFollowed = isFollowed;
    this.#told?.imports.tell({ kind: "follow", isFollowed });
  }

  async run(
    { bytes, events, caller, requestId, routes }: ImportCall,
    { deadline, signal }: Patience & { readonly signal: CallEnd },
  ): Promise<Uint8Array> {
    this.#waiting += events;
    try {
      const answer = await this.#parts.use(async (imports) => {
        this.#bringUpToDate(imports, routes);
        const { scopes, userId } = caller;
        const deadlineMs = monotonicMs() + deadline - performance.now();
        const call = { bytes, caller: { scopes, userId }, requestId, deadlineMs };
        return await imports.run(call, signal).catch((error: unknown) => {
          throw unavailable(error);
        });
      });
      this.#count(answer);
      if (answer.outcome instanceof Error) throw answer.outcome;
      return answer.outcome;
    } finally {
      this.#waiting -= events;
    }
  }

  #bringUpToDate(imports: ThreadImports, routes: DataRoutesConfig | undefined): void {
    if (this.#told?.imports !== imports) {
      this.#told = { imports, routes: undefined };
      imports.onStored = (userIds) => {
        this.#watch.stored(userIds);
        this.#parts.onOutbox?.();
      };
      imports.tell({ kind: "follow", isFollowed: this.#isFollowed });
    }
    if (this.#told.routes === routes) return;
    this.#told.routes = routes;
    imports.tell({ kind: "routes", routes });
  }

  #count({ flushes, settled, outage }: ImportAnswer): void {
    for (let at = 0; at < flushes.length; at += 2) {
      this.#watch.flushed(flushes[at] as number, flushes[at + 1] as number);
    }
    for (const [outcome, events] of settled) this.#watch.settled(outcome, events);
    this.#parts.onOutage(outage);
  }
}
