import { type Answer, askAll, type Endpoint, formatEndpoint } from "../../health/endpoints.ts";
import type { Probe, Reading } from "../../health/probe.ts";
import { explain, ok, unknown, wrong } from "../../health/reading.ts";
import type { Target } from "../../health/targets.ts";
import {
  type Cluster,
  type Partitions,
  readCluster,
  readPartitions,
  readQuorumLeader,
} from "./cluster-state.ts";
import type { KafkaAccess } from "./connect.ts";
import { roundTrip, roundTripObstacle } from "./round-trip.ts";
import { visit, visitFailure } from "./visit.ts";

/** Names of partitions that a reason holds. */
const NAMED_MAX = 5;
/** Share of a look's time that a silent quorum of controllers gets. */
const QUORUM_PATIENCE = 0.3;

/** What a look has found beside the brokers. */
interface Findings {
  readonly facts: Record<string, string>;
  readonly measures: Record<string, string>;
  readonly warnings: string[];
  /** Why the cluster is not well. */
  readonly wrongs: string[];
}

/**
 * Asks a Kafka cluster over connections of its own: that brokers take one is asked too. `topic`, unless empty, is what a
 * record is sent to and read back from.
 */
export function openKafkaProbe({ timeoutMs }: Target, access: KafkaAccess, topic: string): Probe {
  const look = new KafkaLook(access, topic, timeoutMs);
  return { check: (signal) => look.check(signal), close: async () => {} };
}

class KafkaLook {
  readonly #access: KafkaAccess;
  readonly #topic: string;
  readonly #timeoutMs: number;
  #turn = 0;

  constructor(access: KafkaAccess, topic: string, timeoutMs: number) {
    this.#access = access;
    this.#topic = topic;
    this.#timeoutMs = timeoutMs;
  }

  async check(signal: AbortSignal): Promise<Reading> {
    const end = performance.now() + this.#timeoutMs;
    const left = (): number => Math.max(1, end - performance.now());
    const { brokers } = this.#access;
    const known = await askAll(brokers, (each, until) => this.#cluster(each, until), signal, left());
    const first = known.find((answer) => "value" in answer);
    if (!first) return nobody(known);
    const cluster = first.value;
    const found: Findings = { facts: { cluster_id: cluster.id }, measures: {}, warnings: [], wrongs: [] };
    const asked = new Set(brokers.map(formatEndpoint));
    const others = cluster.brokers.filter((broker) => !asked.has(formatEndpoint(broker)));
    const [reached, partitions] = await Promise.all([
      askAll(others, (each, until) => this.#cluster(each, until), signal, left(), false),
      this.#inside(first.endpoint, found, signal, left()),
    ]);
    judgeBrokers(cluster, [...known, ...reached], found);
    if (partitions) judgePartitions(cluster, partitions, found);
    if (partitions && this.#topic) await this.#roundTrip(cluster, partitions, found, signal, left());
    const { facts, measures, warnings, wrongs } = found;
    if (wrongs.length === 0) return ok(facts, warnings, measures);
    return { ...wrong(wrongs.join("; "), facts), warnings };
  }

  #cluster(endpoint: Endpoint, signal: AbortSignal): Promise<Cluster> {
    return visit(this.#access, endpoint, signal, this.#timeoutMs, readCluster);
  }

  // Everything that any broker knows of the cluster.
  async #inside(
    endpoint: Endpoint,
    { facts, wrongs, warnings }: Findings,
    signal: AbortSignal,
    leftMs: number,
  ): Promise<Partitions | undefined> {
    let partitions: Partitions | undefined;
    const quorum = new AbortController();
    const end = (): void => quorum.abort();
    signal.addEventListener("abort", end);
    let timer: NodeJS.Timeout | undefined;
    try {
      await visit(this.#access, endpoint, quorum.signal, this.#timeoutMs, async (connection) => {
        partitions = await readPartitions(connection);
        timer = setTimeout(end, leftMs * QUORUM_PATIENCE);
        const leader = await readQuorumLeader(connection);
        if (leader !== undefined) facts.controller = String(leader);
        if (leader === -1) wrongs.push("the cluster has no controller");
      });
    } catch (error) {
      if (partitions) warnings.push(`the controllers do not answer: ${explain(error)}`);
      else wrongs.push(visitFailure(error, endpoint).reason);
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
    }
    return partitions;
  }

  async #roundTrip(
    { brokers }: Cluster,
    { leadersOf }: Partitions,
    { measures, warnings, wrongs }: Findings,
    signal: AbortSignal,
    leftMs: number,
  ): Promise<void> {
    const topic = this.#topic;
    const leaders = leadersOf(topic);
    if (!leaders) {
      warnings.push(
        `"${topic}", the topic for round trips, is not there or may not be seen; make it, or name another in KAFKA_ROUND_TRIP_TOPIC`,
      );
      return;
    }
    // Each look takes the next partition, so that every leader has its turn.
    const partition = this.#turn++ % leaders.length;
    const leader = brokers.find(({ id }) => id === leaders[partition]);
    if (!leader) return;
    const began = performance.now();
    try {
      await visit(this.#access, leader, signal, leftMs, async (connection) => {
        await roundTrip(connection, { topic, partition }, Math.max(1, Math.floor(leftMs)));
      });
      measures.round_trip_ms = (performance.now() - began).toFixed(1);
    } catch (error) {
      const obstacle = roundTripObstacle(error, topic);
      if (obstacle) warnings.push(obstacle);
      else wrongs.push(`a record cannot be sent and read back: ${visitFailure(error, leader).reason}`);
    }
  }
}

function nobody(answers: readonly Answer<Cluster>[]): Reading {
  const readings = answers.flatMap((answer) =>
    "error" in answer ? [visitFailure(answer.error, answer.endpoint)] : [],
  );
  const reason = readings.map((reading) => reading.reason).join("; ");
  return readings.some(({ verdict }) => verdict === "wrong") ? wrong(reason) : unknown(reason);
}

function judgeBrokers(
  { brokers, controllerId }: Cluster,
  answers: readonly Answer<Cluster>[],
  { facts, warnings, wrongs }: Findings,
): void {
  facts.brokers = String(brokers.length);
  if (controllerId >= 0) facts.controller ??= String(controllerId);
  else wrongs.push("the cluster has no controller");
  const silent = new Map(
    answers.flatMap((answer) => ("error" in answer ? [[formatEndpoint(answer.endpoint), answer]] : [])),
  );
  for (const { error, endpoint } of silent.values()) warnings.push(visitFailure(error, endpoint).reason);
  // Where clients are sent to, and find nobody.
  if (brokers.length > 0 && brokers.every((broker) => silent.has(formatEndpoint(broker)))) {
    wrongs.push("no broker can be reached at the address that it tells clients (advertised.listeners)");
  }
}

function judgePartitions(
  cluster: Cluster,
  found: Partitions,
  { facts, measures, warnings, wrongs }: Findings,
): void {
  const { missingBrokers, offline, underReplicated } = found;
  measures.topics = String(found.topics);
  measures.partitions = String(found.partitions);
  if (missingBrokers.length > 0) {
    facts.brokers = `${cluster.brokers.length} of ${cluster.brokers.length + missingBrokers.length}`;
    warnings.push(`brokers that hold copies are not there: ${missingBrokers.join(", ")}`);
  }
  if (offline.length > 0) wrongs.push(`partitions without a leader: ${named(offline)}`);
  if (underReplicated.length > 0) warnings.push(`partitions that lack a copy: ${named(underReplicated)}`);
}

function named(partitions: readonly string[]): string {
  const more = partitions.length - NAMED_MAX;
  return partitions.slice(0, NAMED_MAX).join(", ") + (more > 0 ? `, and ${more} more` : "");
}
