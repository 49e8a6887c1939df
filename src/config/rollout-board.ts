import { type Instance, type InstanceState, stateOf } from "./rollout.ts";
import type { RolloutView } from "./shared-rollout.ts";
import type { ConfigWatch } from "./watch.ts";

/** An instance, and where it is with a revision. */
export interface Standing {
  readonly instance: Instance;
  readonly state: InstanceState;
  /** Why it rejected the revision; empty when it did not. */
  readonly error: string;
}

/** Counts of instances by their state. */
export type Tally = Readonly<Record<InstanceState, number>> & { readonly reached: boolean };

/** How long to wait for a revision to be applied. */
export interface WaitFor {
  /** Empty: instances of every service. */
  readonly service: string;
  /** Share of live instances, over 0 up to 1. */
  readonly share: number;
  readonly timeoutMs: number;
  /** Number of rejections that end the wait; 0: none does. */
  readonly rejectionsMax: number;
  /** Instances that were live before the revision came: one that is gone since has not applied it. */
  readonly expected?: ReadonlySet<string>;
}

/** Least time between two looks at all instances while waiting for them, in milliseconds. */
const LOOK_INTERVAL_MS = 50;
/** So many times as long as a look takes it does without one, so that a hub with many instances has time to serve. */
const REST = 4;

/** Tells how far a revision has come, from what instances reported and what the revision holds for each. */
export class RolloutBoard {
  readonly #rollout: RolloutView;
  readonly #watch: ConfigWatch;

  constructor(rollout: RolloutView, watch: ConfigWatch) {
    this.#rollout = rollout;
    this.#watch = watch;
  }

  /** Every known instance of a service, or of all, and where it is with the revision. */
  standings(revision: bigint, service: string): Standing[] {
    return this.#rollout.instances(service).map((instance) => {
      const { systems, version } = instance.follows;
      const view = this.#watch.viewOf(revision, systems, version, instance.service, instance.instance);
      const state = stateOf(instance, revision, view?.nonce);
      const error = state === "rejected" && view ? (instance.rejected.get(view.nonce) ?? "") : "";
      return { instance, state, error };
    });
  }

  /** The same, also of a revision from before the hub's start. */
  async history(revision: bigint, service: string): Promise<Standing[]> {
    await this.#watch.recall(revision);
    return this.standings(revision, service);
  }

  /** The instances of a service, or of all, that are connected now, as `wait` expects them. */
  live(service: string): ReadonlySet<string> {
    const connected = this.#rollout.instances(service).filter(({ connections }) => connections > 0);
    return new Set(connected.map(keyOf));
  }

  /**
   * Counts; `reached` tells whether this share of the instances that are connected, or are expected, has applied the
   * revision.
   */
  tally(standings: readonly Standing[], share: number, expected: ReadonlySet<string> = new Set()): Tally {
    const count = (state: InstanceState): number =>
      standings.filter((standing) => standing.state === state).length;
    const live = standings.filter(
      ({ instance }) => instance.connections > 0 || expected.has(keyOf(instance)),
    );
    const applied = live.filter(({ state }) => state === "applied").length;
    return {
      applied: count("applied"),
      rejected: count("rejected"),
      behind: count("behind"),
      silent: count("silent"),
      // A share is no exact number: 0.55 of 20 would come to a little over 11.
      reached: applied >= live.length * share - 1e-9,
    };
  }

  /** Services with connected instances that follow a version, or only one of its systems. */
  liveServices(version: string, system = ""): string[] {
    return [...this.liveInstances(version, system).keys()];
  }

  /** The same with the number of these instances, by service. */
  liveInstances(version: string, system = ""): ReadonlyMap<string, number> {
    const revision = this.#watch.newestRevision;
    const counts = new Map<string, number>();
    for (const { connections, follows, service, instance } of this.#rollout.instances()) {
      const { systems } = follows;
      if (connections === 0 || (system && systems.length > 0 && !systems.includes(system))) continue;
      const view = this.#watch.viewOf(revision, follows.systems, follows.version, service, instance);
      if (view?.version === version) counts.set(service, (counts.get(service) ?? 0) + 1);
    }
    return counts;
  }

  /** Waits until the share has applied the revision, too many have rejected it, or the time is up. */
  async wait(
    revision: bigint,
    { service, share, timeoutMs, rejectionsMax, expected = new Set() }: WaitFor,
    signal: AbortSignal,
  ): Promise<Tally> {
    const look = (): Tally => this.tally(this.standings(revision, service), share, expected);
    const isOver = (tally: Tally): boolean =>
      tally.reached || (rejectionsMax > 0 && tally.rejected >= rejectionsMax);
    let tally = look();
    if (isOver(tally) || signal.aborted) return tally;
    await new Promise<void>((resolve) => {
      let next: NodeJS.Timeout | undefined;
      const end = (): void => {
        clearTimeout(timer);
        clearTimeout(next);
        stop();
        signal.removeEventListener("abort", end);
        resolve();
      };
      const timeUp = (): void => {
        tally = look();
        end();
      };
      // A wait that its caller has left must not keep the process of a hub that stops.
      const timer = setTimeout(timeUp, timeoutMs).unref();
      let restMs = LOOK_INTERVAL_MS;
      const lookAgain = (): void => {
        next = undefined;
        const began = performance.now();
        tally = look();
        if (isOver(tally)) end();
        restMs = Math.max(LOOK_INTERVAL_MS, REST * (performance.now() - began));
      };
      // Many report at once; one look tells of all of them.
      const stop = this.#rollout.onChange(() => {
        next ??= setTimeout(lookAgain, restMs);
      });
      // When the hub stops every instance leaves, which must not look as if all that are left had applied it.
      signal.addEventListener("abort", end, { once: true });
    });
    return tally;
  }
}

function keyOf({ service, instance }: Instance): string {
  return `${service}\0${instance}`;
}
