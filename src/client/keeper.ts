import type { ConfigHeader } from "../../gen/centralhub/config/v1/config_pb.ts";
import type { Copy, HubValue } from "./copy.ts";

/** What the keeper tells the rest of the client. */
export interface KeeperEvents {
  /** The value is another one. */
  changed(value: HubValue): void;
  /** A content from the hub was taken, or is confirmed to be what the client runs on. */
  accepted(copy: Copy): void;
  /** A content was refused. Those from the hub are named again each time that the hub sends them. */
  rejected(copy: Copy, reason: string): void;
  /** Why the caller's `apply` failed. */
  failed(error: unknown): void;
}

/** Takes a value into use; throws to refuse it. */
export type Apply = (value: HubValue) => void | Promise<void>;

/** Refused contents that are remembered. */
const REJECTED_MAX = 100;

/**
 * Holds the value that the service runs on. Contents are applied one at a time; of those that come meanwhile only
 * the newest is. What was refused once is not applied again.
 */
export class Keeper {
  readonly #apply: Apply | undefined;
  readonly #events: KeeperEvents;
  readonly #fallbacks: Copy[];
  readonly #rejected = new Map<string, string>();
  #current: Copy | undefined;
  #latest: Copy | undefined;
  #pending: Copy | undefined;
  #mayFallBack = false;
  #running = false;
  #closed = false;

  /** `latest` is what a hub may confirm; the fallbacks are tried in their order when no hub is heard. */
  constructor(
    apply: Apply | undefined,
    latest: Copy | undefined,
    fallbacks: readonly Copy[],
    events: KeeperEvents,
  ) {
    this.#apply = apply;
    this.#latest = latest;
    this.#fallbacks = [...fallbacks];
    this.#events = events;
  }

  /** What the service runs on. */
  get current(): Copy | undefined {
    return this.#current;
  }

  /** The newest content that the hub sent, whatever became of it. */
  get latest(): Copy | undefined {
    return this.#latest;
  }

  /** Takes a content from the hub. */
  offer(copy: Copy): void {
    this.#latest = copy;
    this.#settle(copy);
  }

  /**
   * The hub said that the newest content is still what there is. False when it means another one. `anew` for the
   * first word of a connection: a hub that has started again wants to hear what became of the content.
   */
  confirm(header: ConfigHeader, anew: boolean): boolean {
    const latest = this.#latest;
    if (!latest || latest.header.etag !== header.etag) return false;
    latest.confirm(header);
    if (anew) this.#settle(latest);
    return true;
  }

  /** No hub is heard: what is at hand will do, until one is. */
  fallBack(): void {
    this.#mayFallBack = true;
    void this.#run();
  }

  /** Takes nothing more. */
  close(): void {
    this.#closed = true;
    this.#pending = undefined;
  }

  #settle(copy: Copy): void {
    this.#pending = copy;
    void this.#run();
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (let copy = this.#next(); copy; copy = this.#next()) {
      const reason = this.#rejected.get(copy.nonce) ?? (await this.#take(copy));
      if (this.#closed) break;
      if (reason === undefined) continue;
      this.#remember(copy.nonce, reason);
      if (copy.source === "live") this.#events.rejected(copy, reason);
      // A service that refused the first content it was sent still has a copy that it took before.
      this.#mayFallBack = true;
    }
    this.#running = false;
  }

  #next(): Copy | undefined {
    if (this.#closed) return undefined;
    const copy = this.#pending;
    this.#pending = undefined;
    if (copy) return copy;
    return this.#mayFallBack && !this.#current ? this.#fallbacks.shift() : undefined;
  }

  // Why the copy was refused; undefined when it is now the current one.
  async #take(copy: Copy): Promise<string | undefined> {
    const isNew = this.#current?.nonce !== copy.nonce;
    if (isNew && this.#apply) {
      try {
        await this.#apply(copy.toValue());
      } catch (error) {
        if (!this.#closed) this.#events.failed(error);
        return (error instanceof Error && error.message) || String(error) || "refused without a reason";
      }
      if (this.#closed) return undefined;
    }
    this.#current = copy;
    if (copy.source === "live") this.#events.accepted(copy);
    if (isNew) this.#events.changed(copy.toValue());
    return undefined;
  }

  #remember(nonce: string, reason: string): void {
    this.#rejected.delete(nonce);
    this.#rejected.set(nonce, reason);
    const [oldest] = this.#rejected.keys();
    if (this.#rejected.size > REJECTED_MAX && oldest !== undefined) this.#rejected.delete(oldest);
  }
}
