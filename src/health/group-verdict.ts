import type { ObservedGroup, ObservedKafka, ObservedTopic } from "./observed-kafka.ts";
import { type Seen, seen, unseen } from "./seen.ts";

/** How a group does. Lag alone is no fault: it says how much waits, not whether anybody is at work on it. */
export type GroupVerdict = "ok" | "stalled" | "falling-behind" | "stopped";

/** What must hold for how long before it is told. */
export interface GroupWindow {
  /** Length of the window, in milliseconds. */
  readonly windowMs: number;
  /** Looks that the window holds at least. */
  readonly leastLooks: number;
}

/** Long enough for consumers that commit now and then, short enough to be told of before users ask. */
const GROUP_WINDOW: GroupWindow = { windowMs: 120_000, leastLooks: 6 };

/** Looks in a row at which a group is without members before it is told: a restart is over by then. */
const LOOKS_BEFORE_STOPPED = 2;

/** One partition of a group over the looks since something last was otherwise. */
interface Track {
  readonly topic: string;
  readonly committed: bigint;
  readonly lag: bigint;
  /** Since when records wait and nothing was committed. */
  readonly still: Run | undefined;
  /** Since when the lag has only grown. */
  readonly growing: Run | undefined;
}

/** A state that lasts: the first look that found it, and at how many it was found. */
interface Run {
  readonly since: number;
  readonly looks: number;
}

interface GroupTrack {
  readonly time: number;
  readonly partitions: ReadonlyMap<string, Track>;
  /** Looks in a row without members while records wait, by topic. */
  readonly deserted: ReadonlyMap<string, number>;
}

/**
 * What groups did from look to look. Of each partition it keeps since when things are as they are, and no history: it
 * is as large as the newest look, however long the window. Groups that are gone are forgotten.
 */
export class GroupHistory {
  readonly #window: GroupWindow;
  #tracks = new Map<string, GroupTrack>();

  constructor(window: GroupWindow = GROUP_WINDOW) {
    this.#window = window;
  }

  /** Takes one look. */
  take(observed: Pick<ObservedKafka, "time" | "topics" | "groups">): void {
    if (!observed.groups.isSeen) return;
    const tracks = new Map<string, GroupTrack>();
    for (const [name, group] of observed.groups.value) {
      const lags = lagsOf(group, observed.topics);
      // What cannot be seen once interrupts what was seen before: nothing is told of a time that nobody saw.
      if (!group.members.isSeen || !lags) continue;
      const before = this.#tracks.get(name);
      const isContinued = before !== undefined && observed.time - before.time <= this.#window.windowMs;
      tracks.set(name, follow(isContinued ? before : undefined, lags, group.members.value, observed.time));
    }
    this.#tracks = tracks;
  }

  /** The verdict on a live group, as far as these topics go, and the topics that it is for. */
  verdictOf(
    name: string,
    topics: ReadonlySet<string>,
  ): { readonly verdict: GroupVerdict; readonly topics: readonly string[] } {
    const track = this.#tracks.get(name);
    if (!track) return { verdict: "ok", topics: [] };
    const partitions = [...track.partitions.values()].filter(({ topic }) => topics.has(topic));
    const deserted = [...track.deserted].filter(
      ([topic, looks]) => topics.has(topic) && looks >= LOOKS_BEFORE_STOPPED,
    );
    if (deserted.length > 0) return { verdict: "stopped", topics: deserted.map(([topic]) => topic) };
    const stalled = partitions.filter(({ still }) => this.#fills(still, track.time));
    if (stalled.length > 0) return { verdict: "stalled", topics: topicsOf(stalled) };
    const falling = partitions.filter(({ growing }) => this.#fills(growing, track.time));
    if (falling.length > 0) return { verdict: "falling-behind", topics: topicsOf(falling) };
    return { verdict: "ok", topics: [] };
  }

  #fills(run: Run | undefined, now: number): boolean {
    return (
      run !== undefined && run.looks >= this.#window.leastLooks && now - run.since >= this.#window.windowMs
    );
  }
}

/** Records that wait for a group, over all partitions that it has committed an offset of. */
export function lagOf(group: ObservedGroup, topics: ReadonlyMap<string, ObservedTopic>): Seen<bigint> {
  if (!group.committed.isSeen) return group.committed;
  // Where a group without commits begins is for its own settings to say.
  if (group.committed.value.length === 0) return unseen("it has committed no offset");
  const lags = lagsOf(group, topics);
  if (!lags) return unseen("the offsets of one of its topics cannot be seen");
  return seen(lags.reduce((sum, { lag }) => sum + lag, 0n));
}

interface Lag {
  readonly topic: string;
  readonly partition: number;
  readonly committed: bigint;
  readonly lag: bigint;
}

// Undefined when it cannot be known. A topic that is gone has nothing that waits.
function lagsOf({ committed }: ObservedGroup, topics: ReadonlyMap<string, ObservedTopic>): Lag[] | undefined {
  if (!committed.isSeen) return undefined;
  const lags: Lag[] = [];
  for (const { topic: name, partition, offset } of committed.value) {
    const topic = topics.get(name);
    if (!topic) continue;
    if (!topic.offsets.isSeen) return undefined;
    const ends = topic.offsets.value[partition];
    if (ends?.partition !== partition) continue;
    // Records that were removed before they were read wait no more.
    const next = offset > ends.earliest ? offset : ends.earliest;
    const lag = ends.latest > next ? ends.latest - next : 0n;
    lags.push({ topic: name, partition, committed: offset, lag });
  }
  return lags;
}

function follow(
  before: GroupTrack | undefined,
  lags: readonly Lag[],
  members: number,
  time: number,
): GroupTrack {
  const partitions = new Map<string, Track>();
  const deserted = new Map<string, number>();
  for (const { topic, partition, committed, lag } of lags) {
    const key = `${topic} ${partition}`;
    const last = before?.partitions.get(key);
    const isWaiting = members > 0 && lag > 0n;
    const isStill = isWaiting && (last === undefined || last.committed === committed);
    const isGrowing = isWaiting && (last === undefined || lag > last.lag);
    partitions.set(key, {
      topic,
      committed,
      lag,
      // A run starts anew at the look that ends another: that look is its first.
      still: isWaiting ? longer(isStill ? last?.still : undefined, time) : undefined,
      growing: isWaiting ? longer(isGrowing ? last?.growing : undefined, time) : undefined,
    });
    if (members === 0 && lag > 0n) deserted.set(topic, (before?.deserted.get(topic) ?? 0) + 1);
  }
  return { time, partitions, deserted };
}

function longer(run: Run | undefined, time: number): Run {
  return { since: run?.since ?? time, looks: (run?.looks ?? 0) + 1 };
}

function topicsOf(tracks: readonly Track[]): string[] {
  return [...new Set(tracks.map(({ topic }) => topic))].sort();
}
