/** What is known of one instance of a service. */
export interface Instance {
  readonly service: string;
  readonly instance: string;
  /** Open watches. */
  readonly connections: number;
  /** What it follows, from its newest watch. */
  readonly follows: Follows;
  /** The newest content that it said it runs on. */
  readonly applied: Delivery | undefined;
  /** Contents that it refused, by nonce, with its reasons. */
  readonly rejected: ReadonlyMap<string, string>;
  /** When it last connected, reported or left, in milliseconds since 1970. */
  readonly lastSeen: number;
}

/** What an instance follows. */
export interface Follows {
  readonly systems: readonly string[];
  /** The version that it named; empty when the flags choose. */
  readonly version: string;
}

/** One content at one revision. */
export interface Delivery {
  readonly revision: bigint;
  readonly nonce: string;
}

/** Where an instance is with a revision. */
export type InstanceState = "applied" | "rejected" | "behind" | "silent";

/** Instances that have been gone for longer are forgotten: a day. */
const FORGET_MS = 86_400_000;
/** Refused contents that are remembered for an instance. */
const REJECTED_MAX = 100;
/** Instances that are remembered; the longest gone make room. */
const INSTANCES_MAX = 100_000;

type Record = { -readonly [Name in keyof Instance]: Instance[Name] } & { rejected: Map<string, string> };

/** Keeps what every instance made of what it was sent. */
export class Rollout {
  readonly #instances = new Map<string, Record>();
  readonly #listeners = new Set<(instance: Instance) => void>();
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** Notes that an instance watches; returns what notes that it has left. */
  connect(service: string, instance: string, follows: Follows): () => void {
    const record = this.#record(service, instance);
    record.connections += 1;
    record.follows = follows;
    this.#touch(record);
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      record.connections -= 1;
      this.#touch(record);
    };
  }

  /** Notes what an instance made of a delivery; `error` is empty when it runs on it. */
  report(service: string, instance: string, delivery: Delivery, error: string): void {
    const record = this.#record(service, instance);
    if (error) {
      // The order of the map is that of the last rejection.
      record.rejected.delete(delivery.nonce);
      const oldest = record.rejected.size >= REJECTED_MAX ? record.rejected.keys().next().value : undefined;
      if (oldest !== undefined) record.rejected.delete(oldest);
      record.rejected.set(delivery.nonce, error);
    } else {
      record.rejected.delete(delivery.nonce);
      if (!record.applied || record.applied.revision <= delivery.revision) record.applied = delivery;
    }
    this.#touch(record);
  }

  /** Whether an instance has refused a content. */
  hasRejected(service: string, instance: string, nonce: string): boolean {
    return this.#instances.get(keyOf(service, instance))?.rejected.has(nonce) ?? false;
  }

  /** The contents that an instance has refused, by nonce. */
  rejections(service: string, instance: string): readonly string[] {
    return [...(this.#instances.get(keyOf(service, instance))?.rejected.keys() ?? [])];
  }

  /** Every instance, by service, then by name. */
  instances(service = ""): readonly Instance[] {
    this.#forget();
    return [...this.#instances.values()]
      .filter((record) => service === "" || record.service === service)
      .sort((a, b) => a.service.localeCompare(b.service) || a.instance.localeCompare(b.instance));
  }

  /** Every instance, from the one heard of last to the one heard of first; cheap. */
  recent(): readonly Instance[] {
    return [...this.#instances.values()].reverse();
  }

  /** Takes what was known of instances before a restart, from the one heard of first; none of them is connected. */
  restore(instances: readonly Instance[]): void {
    for (const known of instances) {
      const record = this.#record(known.service, known.instance);
      const { follows, applied, lastSeen } = known;
      Object.assign(record, { follows, applied, lastSeen, rejected: new Map(known.rejected) });
    }
    this.#forget();
  }

  /** Calls back after each change of an instance. Returns the way to stop. */
  onChange(listener: (instance: Instance) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #record(service: string, instance: string): Record {
    const key = keyOf(service, instance);
    let record = this.#instances.get(key);
    if (!record) {
      if (this.#instances.size >= INSTANCES_MAX) this.#makeRoom();
      const follows = { systems: [], version: "" };
      record = {
        service,
        instance,
        connections: 0,
        follows,
        applied: undefined,
        rejected: new Map(),
        lastSeen: 0,
      };
      this.#instances.set(key, record);
    }
    return record;
  }

  #touch(record: Record): void {
    record.lastSeen = this.#now();
    // The order of the map is that of the last sign of life.
    const key = keyOf(record.service, record.instance);
    this.#instances.delete(key);
    this.#instances.set(key, record);
    for (const listener of this.#listeners) listener(record);
  }

  #forget(): void {
    const before = this.#now() - FORGET_MS;
    for (const [key, record] of this.#instances) {
      if (record.connections === 0 && record.lastSeen < before) this.#instances.delete(key);
    }
  }

  #makeRoom(): void {
    for (const [key, record] of this.#instances) {
      if (record.connections > 0) continue;
      this.#instances.delete(key);
      return;
    }
  }
}

/**
 * Where an instance is with a revision whose content for it has this nonce; undefined when the content is no longer
 * known. Its last word on the content counts, and what it runs on now only where it has said nothing of it.
 */
export function stateOf(instance: Instance, revision: bigint, nonce: string | undefined): InstanceState {
  const { applied, rejected } = instance;
  if (nonce !== undefined && rejected.has(nonce)) return "rejected";
  const isPast = applied && (applied.revision > revision || (!nonce && applied.revision === revision));
  if (isPast || (applied && applied.nonce === nonce)) return "applied";
  return instance.connections > 0 ? "behind" : "silent";
}

function keyOf(service: string, instance: string): string {
  return `${service}\0${instance}`;
}
