import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GroupHistory, lagOf } from "../../src/health/group-verdict.ts";
import type { ObservedGroup, ObservedTopic, PartitionOffsets } from "../../src/health/observed-kafka.ts";
import { seen, unseen } from "../../src/health/seen.ts";
import { observedTopic } from "./observed-topic.ts";

const LOOK_MS = 10_000;
const WINDOW = { windowMs: 60_000, leastLooks: 6 };
const TOPICS = new Set(["t"]);

/** One look at a group that reads one partition. */
interface Step {
  readonly members?: number;
  readonly committed: number;
  readonly end: number;
  readonly earliest?: number;
  /** Time since the look before; 10 s unless told otherwise. */
  readonly afterMs?: number;
  readonly isHidden?: boolean;
}

function groupAt({ members = 1, committed, isHidden = false }: Step): ObservedGroup {
  return {
    name: "g",
    state: members > 0 ? "Stable" : "Empty",
    members: isHidden ? unseen("hidden") : seen(members),
    topics: ["t"],
    committed: seen([{ topic: "t", partition: 0, offset: BigInt(committed) }]),
  };
}

function topicAt({ end, earliest = 0 }: Step): ReadonlyMap<string, ObservedTopic> {
  const offsets: PartitionOffsets[] = [
    { partition: 0, earliest: BigInt(earliest), latest: BigInt(end), oldestTime: 0 },
  ];
  return new Map([["t", observedTopic({}, { name: "t", offsets: seen(offsets) })]]);
}

/** The verdict after each look. */
function verdicts(steps: readonly Step[]): string[] {
  const history = new GroupHistory(WINDOW);
  let time = 0;
  return steps.map((step) => {
    time += step.afterMs ?? LOOK_MS;
    history.take({ time, topics: topicAt(step), groups: seen(new Map([["g", groupAt(step)]])) });
    return history.verdictOf("g", TOPICS).verdict;
  });
}

function looks(count: number, at: (look: number) => Step): Step[] {
  return Array.from({ length: count }, (_, look) => at(look));
}

describe("a consumer group is told to be", () => {
  it("well, however much waits, while it commits and gains on it", () => {
    const steps = looks(30, (look) => ({ committed: look * 100, end: 1_000_000 + look * 90 }));
    expect(new Set(verdicts(steps))).toEqual(new Set(["ok"]));
  });

  it("well, when nothing new comes and nothing waits", () => {
    expect(new Set(verdicts(looks(50, () => ({ committed: 7, end: 7 }))))).toEqual(new Set(["ok"]));
  });

  it("stalled, once nothing was committed over a whole window and records wait, and not before", () => {
    const found = verdicts(looks(12, (look) => ({ committed: 5, end: 10 + look })));
    expect(found.indexOf("stalled")).toBe(6);
    expect(found.slice(6)).toEqual(Array(6).fill("stalled"));
  });

  it("stalled by one record that waits, although no other comes", () => {
    expect(verdicts(looks(8, () => ({ committed: 5, end: 6 }))).at(-1)).toBe("stalled");
  });

  it("well again with the first commit", () => {
    const steps = [...looks(10, () => ({ committed: 5, end: 10 })), { committed: 6, end: 10 }];
    expect(verdicts(steps).at(-1)).toBe("ok");
  });

  it("falling behind, when its lag grew at every look of a whole window although it commits", () => {
    const found = verdicts(looks(12, (look) => ({ committed: look, end: 10 + look * 3 })));
    expect(found.indexOf("falling-behind")).toBe(6);
  });

  it("well, when its lag shrank once within the window", () => {
    const steps = looks(40, (look) => ({ committed: look % 5 === 4 ? look * 3 : look, end: look * 3 + 10 }));
    expect(new Set(verdicts(steps))).toEqual(new Set(["ok"]));
  });

  it("stopped, when it has no members at a second look and records wait", () => {
    const alive = looks(3, (look) => ({ committed: look, end: look + 1 }));
    const dead = looks(4, (look) => ({ members: 0, committed: 2, end: 5 + look }));
    expect(verdicts([...alive, ...dead])).toEqual(["ok", "ok", "ok", "ok", "stopped", "stopped", "stopped"]);
  });

  it("well over a restart that one look sees, and without members when nothing waits", () => {
    const restart = [
      { committed: 1, end: 2 },
      { members: 0, committed: 1, end: 3 },
      { committed: 3, end: 3 },
    ];
    expect(verdicts(restart)).toEqual(["ok", "ok", "ok"]);
    expect(verdicts(looks(20, () => ({ members: 0, committed: 9, end: 9 })))).not.toContain("stopped");
  });

  it("well at first after a time that nobody saw", () => {
    const before = looks(5, () => ({ committed: 5, end: 10 }));
    const hidden = { committed: 5, end: 10, isHidden: true };
    const after = looks(5, () => ({ committed: 5, end: 10 }));
    expect(verdicts([...before, hidden, ...after])).not.toContain("stalled");
    const paused = [...before, { committed: 5, end: 10, afterMs: 600_000 }, ...after.slice(1)];
    expect(verdicts(paused)).not.toContain("stalled");
  });

  it("well, whatever it does, while it is at the end of what comes", () => {
    const sequence = fc.array(fc.record({ more: fc.nat(100), members: fc.nat(3) }), { maxLength: 60 });
    fc.assert(
      fc.property(sequence, (changes) => {
        let end = 0;
        const steps = changes.map(({ more, members }) => {
          end += more;
          return { committed: end, end, members };
        });
        expect(new Set([...verdicts(steps), "ok"])).toEqual(new Set(["ok"]));
      }),
    );
  });

  it("in trouble only by looks that each show it, over a whole window", () => {
    const step = fc.record({ commit: fc.nat(3), more: fc.nat(3), members: fc.nat(1) });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (changes) => {
        let [committed, end] = [0, 0];
        const steps = changes.map(({ commit, more, members }) => {
          end += more;
          committed = Math.min(end, committed + commit);
          return { committed, end, members };
        });
        const found = verdicts(steps);
        for (const [at, verdict] of found.entries()) {
          const window = steps.slice(Math.max(0, at - 6), at + 1);
          const lags = window.map((one) => one.end - one.committed);
          const isWatched = window.length === 7 && window.every(({ members }) => members > 0);
          const isWaiting = isWatched && lags.every((lag) => lag > 0);
          const isStill = isWaiting && window.every((one) => one.committed === window[0]?.committed);
          const isGrowing = isWaiting && lags.every((lag, look) => look === 0 || lag > (lags[look - 1] ?? 0));
          const isDeserted = steps
            .slice(Math.max(0, at - 1), at + 1)
            .map((one) => one.members === 0 && one.end > one.committed);
          const isStopped = isDeserted.length === 2 && isDeserted.every(Boolean);
          const expected = isStopped ? "stopped" : isStill ? "stalled" : isGrowing ? "falling-behind" : "ok";
          expect(verdict).toBe(expected);
        }
      }),
      { numRuns: 300 },
    );
  });

  it("judged by the topics that it is declared to read", () => {
    const history = new GroupHistory(WINDOW);
    for (let time = 0; time < 200_000; time += LOOK_MS) {
      const step = { committed: 1, end: 5 };
      history.take({ time, topics: topicAt(step), groups: seen(new Map([["g", groupAt(step)]])) });
    }
    expect(history.verdictOf("g", TOPICS)).toEqual({ verdict: "stalled", topics: ["t"] });
    expect(history.verdictOf("g", new Set(["other"])).verdict).toBe("ok");
  });
});

describe("lag", () => {
  it("counts what waits, and not what was removed unread", () => {
    expect(lagOf(groupAt({ committed: 4, end: 10 }), topicAt({ committed: 0, end: 10 }))).toEqual(seen(6n));
    const removed = topicAt({ committed: 0, end: 10, earliest: 8 });
    expect(lagOf(groupAt({ committed: 4, end: 10 }), removed)).toEqual(seen(2n));
    expect(lagOf(groupAt({ committed: 12, end: 10 }), topicAt({ committed: 0, end: 10 }))).toEqual(seen(0n));
  });

  it("is unseen when it cannot be known", () => {
    const hidden = new Map([["t", observedTopic({}, { name: "t", offsets: unseen("no right") })]]);
    expect(lagOf(groupAt({ committed: 4, end: 10 }), hidden).isSeen).toBe(false);
    const fresh = { ...groupAt({ committed: 4, end: 10 }), committed: seen([]) };
    expect(lagOf(fresh, topicAt({ committed: 0, end: 10 })).isSeen).toBe(false);
    const noOffsets = { ...groupAt({ committed: 4, end: 10 }), committed: unseen("no right") };
    expect(lagOf(noOffsets, topicAt({ committed: 0, end: 10 })).isSeen).toBe(false);
  });
});
