import { describe, expect, it } from "vitest";
import { compile } from "../../src/config/snapshot.ts";
import type { ObservedKafka } from "../../src/health/observed-kafka.ts";
import { matchPlan } from "../../src/topology/match.ts";
import { fingerprintIn } from "../../src/topology/observation.ts";
import { makePlan } from "../../src/topology/plan.ts";
import { readToken, writeToken } from "../../src/topology/token.ts";
import { SHIPPED } from "../config/documents.ts";
import { LOOKED_AT } from "../health/observed-stream.ts";
import { observedTopic } from "../health/observed-topic.ts";
import { afterPlan, kafkaOf, natsOf } from "./model.ts";

const documents = compile(SHIPPED).documents;
const options = { version: "phase2", systems: ["kafka"], allowDelete: false, stepMs: 5n } as const;
const impact = { live: { kafka: new Map(), nats: new Map() }, components: {} };

const plan = (kafka: ObservedKafka) =>
  makePlan(options, {
    documents,
    kafka,
    nats: undefined,
    owned: [],
    ownTopics: new Set<string>(),
    impact,
    time: LOOKED_AT,
  });
const about = {
  ...{ epoch: "e", revision: 7n, options, declaration: "d", clusterIds: { kafka: "k" }, time: LOOKED_AT },
};
const tokenOf = (kafka: ObservedKafka) => readToken(writeToken(about, plan(kafka)));
const match = (planned: ObservedKafka, now: ObservedKafka) =>
  matchPlan(tokenOf(planned), plan(now), (system, name, aspect) =>
    fingerprintIn({ kafka: now, nats: undefined }, system, name, aspect),
  ).map(({ state }) => state);

describe("a token", () => {
  it("remembers what a plan was made from, and its changes", () => {
    const token = tokenOf(kafkaOf([]));
    expect(token).toMatchObject(about);
    expect(token.changes.map(([id]) => id)).toContain("kafka/user.auth/create");
  });

  it.each([
    ["nothing", ""],
    ["no base64", "%%%"],
    ["no JSON", Buffer.from("[1,").toString("base64url")],
    ["another format", Buffer.from(JSON.stringify([2, "e"])).toString("base64url")],
    ["another shape", Buffer.from(JSON.stringify({ version: "phase2" })).toString("base64url")],
    [
      "a system that there is not",
      Buffer.from(JSON.stringify([1, "e", "7", "phase2", ["rabbit"], false, "", "d", {}, 0, []])).toString(
        "base64url",
      ),
    ],
  ])("that is %s is refused", (_name, text) => {
    expect(() => readToken(text)).toThrow(/token: is not the token of a plan/);
  });
});

describe("a plan held against the brokers as they are now", () => {
  const empty = kafkaOf([]);
  const whole = afterPlan(plan(empty), empty, natsOf([])).kafka;
  const without = (name: string): ObservedKafka => {
    const topics = new Map(whole.topics);
    topics.delete(name);
    return { ...whole, topics };
  };

  it("is open as long as nothing has moved", () => {
    expect(match(empty, empty)).toEqual(Array(10).fill("open"));
  });

  it("is done as far as an apply before it came, whichever steps it did", () => {
    expect(match(empty, whole)).toEqual(Array(10).fill("done"));
    expect(match(empty, without("user.backtests")).filter((state) => state === "open")).toHaveLength(1);
  });

  it("no longer holds when a topic was made otherwise, was removed or is new to the plan", () => {
    const other = observedTopic({}, { name: "user.auth", id: "somebody's" });
    const made = { ...empty, topics: new Map([["user.auth", other]]) };
    expect(() => match(empty, made)).toThrow(/kafka user\.auth has been made meanwhile, and not as declared/);
    expect(() => match(without("user.auth"), without("user.trades"))).toThrow(
      /kafka\/user\.trades\/create is new/,
    );
    const less = {
      ...whole,
      topics: new Map(
        [...whole.topics].map(([name, topic]) => [
          name,
          { ...topic, partitions: topic.partitions.slice(0, 1) },
        ]),
      ),
    };
    expect(match(less, less)).toEqual(Array(10).fill("open"));
    const anew = {
      ...less,
      topics: new Map([...less.topics].map(([name, topic]) => [name, { ...topic, id: "anew" }])),
    };
    expect(() => match(less, anew)).toThrow(/What moved: kafka system\.audit has been changed/);
  });
});
