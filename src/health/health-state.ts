import type { Message } from "@bufbuild/protobuf";
import type {
  ComponentHealth,
  ConsumerGroupHealth,
  HealthStatus,
  ServiceHealth,
  StreamHealth,
  TopicHealth,
} from "../../gen/centralhub/health/v1/health_pb.ts";
import { componentMark, groupMark, serviceMark, streamMark, topicMark } from "./health-marks.ts";

/** Everything that is known at one moment, by kind and name. */
export interface HealthView {
  readonly component: Iterable<ComponentHealth>;
  readonly service: Iterable<ServiceHealth>;
  readonly topic: Iterable<TopicHealth>;
  readonly stream: Iterable<StreamHealth>;
  readonly group: Iterable<ConsumerGroupHealth>;
  readonly statuses: HealthStatuses;
}

/** How the resources of each kind are together. UNSPECIFIED: the version declares none. */
export interface HealthStatuses {
  readonly infrastructureStatus: HealthStatus;
  readonly topicsStatus: HealthStatus;
  readonly streamsStatus: HealthStatus;
  readonly groupsStatus: HealthStatus;
}

/** What has changed since a moment, as the fields of a message. */
export interface HealthDelta extends HealthStatuses {
  readonly components: ComponentHealth[];
  readonly services: ServiceHealth[];
  readonly topics: TopicHealth[];
  readonly streams: StreamHealth[];
  readonly groups: ConsumerGroupHealth[];
  readonly removed: { readonly kind: string; readonly name: string }[];
}

/** One resource; without a message it is gone. */
interface Item {
  readonly kind: Kind;
  readonly name: string;
  readonly message: Message | undefined;
  readonly mark: string;
  /** The change that brought it to what it is. */
  readonly change: number;
}

const MARKS = {
  component: componentMark,
  service: serviceMark,
  topic: topicMark,
  stream: streamMark,
  group: groupMark,
} as const;
type Kind = keyof typeof MARKS;
const KINDS = Object.keys(MARKS) as Kind[];

/**
 * The newest state with the change that each part of it came by, so that what is new to somebody is found by the
 * number of the last change that they have seen. Nothing of earlier states is kept.
 */
export class HealthState {
  readonly #items = new Map<string, Item>();
  readonly #deltas = new Map<number, HealthDelta>();
  #statuses: HealthStatuses | undefined;
  #change = 0;

  /** The number of the newest change; 0 before the first view. */
  get change(): number {
    return this.#change;
  }

  /** Takes the newest view; one that changes nothing leaves `change` as it is. */
  take(view: HealthView): void {
    const change = this.#change + 1;
    let isChanged = JSON.stringify(this.#statuses) !== JSON.stringify(view.statuses);
    const missing = new Set(this.#items.keys());
    for (const kind of KINDS) {
      for (const message of view[kind]) {
        const key = `${kind} ${message.name}`;
        missing.delete(key);
        const before = this.#items.get(key);
        if (before?.message === message) continue;
        const mark = MARKS[kind](message as never);
        const isSame = before?.message !== undefined && before.mark === mark;
        // What is new and no change is kept for those that come later.
        const item = { kind, name: message.name, message, mark, change: isSame ? before.change : change };
        this.#items.set(key, item);
        if (!isSame) isChanged = true;
      }
    }
    for (const key of missing) {
      const item = this.#items.get(key);
      if (item?.message === undefined) continue;
      this.#items.set(key, { ...item, message: undefined, mark: "", change });
      isChanged = true;
    }
    this.#statuses = view.statuses;
    this.#deltas.clear();
    if (isChanged) this.#change = change;
  }

  /** Forgets what is gone when everyone has seen that it is. `oldest` is the last change that all have seen. */
  forget(oldest: number): void {
    for (const [key, { message, change }] of this.#items) {
      if (message === undefined && change <= oldest) this.#items.delete(key);
    }
  }

  /** What is new to who has seen `change`; 0 has seen nothing. Made once for all who ask. */
  since(change: number): HealthDelta {
    let delta = this.#deltas.get(change);
    if (!delta) {
      delta = this.#since(change);
      this.#deltas.set(change, delta);
    }
    return delta;
  }

  #since(change: number): HealthDelta {
    if (!this.#statuses) throw new Error("a view is taken before anybody asks for changes");
    const found: Record<Kind, Message[]> = { component: [], service: [], topic: [], stream: [], group: [] };
    const removed: { kind: string; name: string }[] = [];
    for (const item of this.#items.values()) {
      if (item.change <= change) continue;
      if (item.message) found[item.kind].push(item.message);
      // Who has seen nothing has nothing to take away.
      else if (change > 0) removed.push({ kind: item.kind, name: item.name });
    }
    return {
      ...this.#statuses,
      components: found.component as ComponentHealth[],
      services: found.service as ServiceHealth[],
      topics: found.topic as TopicHealth[],
      streams: found.stream as StreamHealth[],
      groups: found.group as ConsumerGroupHealth[],
      removed,
    };
  }
}
