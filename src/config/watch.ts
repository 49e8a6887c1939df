import type { WatchMessagingConfigResponse } from "../../gen/centralhub/config/v1/config_service_pb.ts";
import { HubError, unknownName } from "../errors.ts";
import { Bell } from "./bell.ts";
import { SYSTEMS, type System } from "./document-set.ts";
import type { RolloutView } from "./shared-rollout.ts";
import type { Snapshot } from "./snapshot.ts";
import { type View, WatchWindow } from "./watch-window.ts";

/** What a client wants to follow. */
export interface WatchRequest {
  /** Empty: all. */
  readonly systems: readonly string[];
  readonly service: string;
  /** Empty: the client takes no part in rollouts. */
  readonly instance: string;
  /** Empty: chosen by flags. */
  readonly version: string;
  readonly resume: { readonly epoch: string; readonly revision: bigint } | undefined;
}

/** Times in milliseconds. */
export interface WatchLimits {
  /** Number of revisions that can be resumed from. */
  readonly windowRevisions: number;
  /** Greatest time without a message. */
  readonly bookmarkIntervalMs: number;
  /** Time that a client with a revision of the future, from another hub, is kept waiting for it. */
  readonly catchUpMs: number;
}

/** What a watch asks of a rollout. */
export type WatchedRollout = Pick<RolloutView, "connect" | "hasRejected">;

/** Reads an earlier revision back from the history; undefined when it cannot be had. */
export type Recall = (revision: bigint) => Promise<Snapshot | undefined>;

/**
 * Follows the configuration for many clients: ordered, each state once, a change of several documents in one message,
 * resumable. Nothing is queued: a reader that falls behind finds the newest state when it comes back.
 */
export class ConfigWatch {
  readonly #window: WatchWindow;
  readonly #rollout: WatchedRollout;
  readonly #limits: WatchLimits;
  readonly #readBack: Recall;
  readonly #recalls = new Map<bigint, Promise<void>>();
  readonly #wakes = new Set<() => void>();

  /** With `readBack`, who resumes from before the hub's start is spared a snapshot of what it has. */
  constructor(
    first: Snapshot,
    rollout: WatchedRollout,
    limits: WatchLimits,
    readBack: Recall = async () => undefined,
  ) {
    this.#window = new WatchWindow(first, limits.windowRevisions);
    this.#rollout = rollout;
    this.#limits = limits;
    this.#readBack = readBack;
  }

  /** Number of open watches. */
  get watchers(): number {
    return this.#wakes.size;
  }

  /** The newest revision that watchers are shown. */
  get newestRevision(): bigint {
    return this.#window.newest.revision;
  }

  /** What revisions have in store for an instance; undefined when that is no longer known. */
  viewOf(
    revision: bigint,
    systems: readonly string[],
    version: string,
    service: string,
    instance: string,
  ): View | undefined {
    return this.#window.view(
      revision,
      SYSTEMS.filter((name) => systems.length === 0 || systems.includes(name)),
      version,
      service,
      instance,
    );
  }

  /** Makes a revision from before the hub's start known again, where the window reaches and the history is there. */
  async recall(revision: bigint): Promise<void> {
    if (revision < this.#window.oldest || this.#window.knows(revision)) return;
    // Clients that come back together come back to the same revision.
    const running = this.#recalls.get(revision) ?? this.#recall(revision);
    this.#recalls.set(revision, running);
    await running;
  }

  /**
   * Throws INVALID_REQUEST when no client can have been sent this content at this revision. What cannot be known, as of
   * a revision that the window has left or that cannot be read back, passes.
   */
  async expectContent(revision: bigint, nonce: string): Promise<void> {
    await this.recall(revision);
    if (this.#window.had(revision, nonce) !== false) return;
    throw new HubError(
      "INVALID_REQUEST",
      `nonce: revision ${revision} had no content of this name; report the nonce and the header of the same snapshot`,
      { metadata: { revision: String(revision) } },
    );
  }

  /** Shows every watcher a newer snapshot. */
  push(snapshot: Snapshot): void {
    this.#window.push(snapshot);
    for (const wake of this.#wakes) wake();
  }

  /**
   * The messages for one client, until the signal. Throws HISTORY_GONE for a resume point that is out of reach,
   * LOG_UNAVAILABLE for one that this hub has not heard of yet, and UNKNOWN_SYSTEM, UNKNOWN_VERSION, UNKNOWN_SERVICE,
   * NOT_DECLARED, these also when a change takes away what the client follows.
   */
  async *watch(request: WatchRequest, signal: AbortSignal): AsyncGenerator<WatchMessagingConfigResponse> {
    const systems = knownSystems(request.systems);
    const { service, instance, version } = request;
    const bell = new Bell(this.#wakes, signal);
    let leave: (() => void) | undefined;
    try {
      // Before names are judged: a service or a version may have come with the revision that this hub lacks.
      await this.#catchUp(request, bell);
      // What is refused takes no place among the instances.
      this.#view(request, systems);
      if (service && instance) {
        leave = this.#rollout.connect(service, instance, { systems, version });
        // Also when the reader stalls for ever and the generator is never resumed.
        signal.addEventListener("abort", leave, { once: true });
      }
      let sent = await this.#resumed(request, systems);
      for (let first = true, due = 0; !signal.aborted; first = false) {
        const view = this.#view(request, systems);
        // Who starts from nothing needs something to start with, also what it has refused before.
        const isWanted = (first && !request.resume) || !this.#isParked(request, view);
        if (view.nonce !== sent && isWanted) {
          sent = view.nonce;
          yield this.#window.snapshotMessage(view, systems);
          due = performance.now() + this.#limits.bookmarkIntervalMs;
        } else if (performance.now() >= due) {
          yield this.#window.bookmarkMessage(view);
          due = performance.now() + this.#limits.bookmarkIntervalMs;
        }
        // News that are not for this client wake it too, and must not put its bookmark off.
        await bell.wait(due - performance.now());
      }
    } finally {
      bell.close();
      if (leave) signal.removeEventListener("abort", leave);
      leave?.();
    }
  }

  // Waits for the revision that the client resumes from.
  async #catchUp({ resume }: WatchRequest, bell: Bell): Promise<void> {
    if (!resume) return;
    const { epoch } = this.#window.newest;
    if (resume.epoch !== epoch) {
      throw gone(`epoch "${resume.epoch}" is not this history's "${epoch}"`);
    }
    const until = performance.now() + this.#limits.catchUpMs;
    while (resume.revision > this.#window.newest.revision) {
      // From another hub, which is ahead: what is older must never be shown to this client.
      const left = until - performance.now();
      if (left <= 0 || bell.aborted) {
        throw new HubError(
          "LOG_UNAVAILABLE",
          `this hub is behind revision ${resume.revision}; try again, or another hub`,
        );
      }
      await bell.wait(left);
    }
  }

  // The nonce of what the client has already; undefined when it needs a snapshot.
  async #resumed(
    { resume, ...request }: WatchRequest,
    systems: readonly System[],
  ): Promise<string | undefined> {
    if (!resume) return undefined;
    if (resume.revision < this.#window.oldest) {
      throw gone(
        `revision ${resume.revision} is older than ${this.#window.oldest}, the oldest that can be resumed from`,
      );
    }
    await this.recall(resume.revision);
    const { service, instance, version } = request;
    return this.#window.view(resume.revision, systems, version, service, instance)?.nonce;
  }

  // Without the history the client gets a snapshot, which is never wrong.
  async #recall(revision: bigint): Promise<void> {
    try {
      const snapshot = await this.#readBack(revision);
      if (snapshot) this.#window.recall(snapshot);
    } catch (error) {
      if (!(error instanceof HubError)) throw error;
    } finally {
      this.#recalls.delete(revision);
    }
  }

  #view({ version, service, instance }: WatchRequest, systems: readonly System[]): View {
    const { newest } = this.#window;
    const services = newest.documents.infrastructure?.message.services;
    if (service && services && !Object.hasOwn(services, service)) {
      throw unknownName("UNKNOWN_SERVICE", "service", service, Object.keys(services));
    }
    const view = this.#window.view(newest.revision, systems, version, service, instance);
    if (view) return view;
    const name = version || newest.chooseVersion(service, instance);
    if (!newest.documents.versions.has(name))
      throw unknownName("UNKNOWN_VERSION", "version", name, newest.documents.versions.keys());
    throw new HubError("NOT_DECLARED", `version "${name}" declares no ${systems.join(" or ")}`, {
      metadata: { version: name, systems: systems.join(",") },
    });
  }

  // What an instance has refused is not sent to it again.
  #isParked({ service, instance }: WatchRequest, { nonce }: View): boolean {
    return service !== "" && instance !== "" && this.#rollout.hasRejected(service, instance, nonce);
  }
}

function knownSystems(wanted: readonly string[]): readonly System[] {
  const unknown = wanted.find((name) => !SYSTEMS.some((system) => system === name));
  if (unknown !== undefined) throw unknownName("UNKNOWN_SYSTEM", "systems", unknown, SYSTEMS);
  return SYSTEMS.filter((system) => wanted.length === 0 || wanted.includes(system));
}

function gone(why: string): HubError {
  return new HubError("HISTORY_GONE", `resume: ${why}; watch again without a resume point`);
}
