import type { NatsStream } from "../../gen/centralhub/config/v1/nats_pb.ts";
import { ChangeRisk } from "../../gen/centralhub/topology/v1/topology_pb.ts";
import { contains } from "../config/subjects.ts";
import type { ObservedStream } from "../health/observed-nats.ts";
import {
  compareStream,
  managedSettings,
  type StreamDifference,
  type StreamHost,
  whyUnchangeable,
} from "../health/stream-comparison.ts";
import { impossible, type PlannedChange, possible, worst } from "./change.ts";
import { ABSENT, AS_DECLARED, streamFingerprint, withStreamSettings } from "./fingerprints.ts";
import type { StreamSettings } from "./ports.ts";
import { ageRoom, isTighter, nextStep, roomFor, UNLIMITED } from "./shrink.ts";

const HOUR_MS = 3_600_000n;

/** What the changes of one stream depend on beside the stream. */
export interface StreamContext {
  readonly host: StreamHost;
  /** Greatest step of its age, in milliseconds; undefined: half. */
  readonly stepMs: bigint | undefined;
  /** When it was looked at, in milliseconds since 1970. */
  readonly time: number;
}

/** One setting on its way, spelled as the declaration spells it. */
interface Move {
  readonly set: StreamSettings;
  readonly before: string;
  readonly after: string;
  readonly declared: string;
  readonly name: string;
  readonly risk: ChangeRisk;
  readonly warnings: readonly string[];
  readonly stepsLeft: number;
}

/** Everything that would make one stream as declared, and what cannot. */
export function streamChanges(
  name: string,
  declared: NatsStream,
  observed: ObservedStream | undefined,
  context: StreamContext,
): PlannedChange[] {
  if (!observed) return [creation(name, declared)];
  const changes: PlannedChange[] = [];
  const moves: Move[] = [];
  const fingerprint = streamFingerprint("settings", observed);
  for (const difference of compareStream(declared, observed)) {
    const reason = whyUnchangeable(difference, observed, context.host);
    if (reason === undefined) {
      moves.push(moveOf(declared, observed, difference, context));
      continue;
    }
    const { setting, declared: wanted, actual } = difference;
    const settings = [{ name: setting, before: actual, after: wanted, declared: wanted }];
    const summary = `${name} has ${setting} ${actual} and is declared with ${wanted}; only a stream made anew can have that`;
    const state = { aspect: "settings", fingerprint } as const;
    changes.push(impossible("nats", name, setting, reason, { settings, summary }, state));
  }
  const window = windowMove(declared, observed, moves);
  if (window) moves.push(window);
  if (moves.length === 0) return changes;
  const set: StreamSettings = Object.assign({}, ...moves.map((move) => move.set));
  const text = {
    risk: worst(moves.map(({ risk }) => risk)),
    settings: moves.map(({ name: setting, before, after, declared: wanted }) => ({
      name: setting,
      before,
      after,
      declared: wanted,
    })),
    summary: `sets ${moves.map((move) => `${move.name} of ${name} from ${move.before} to ${move.after}`).join("; ")}`,
    warnings: moves.flatMap(({ warnings }) => warnings),
    stepsLeft: Math.max(...moves.map(({ stepsLeft }) => stepsLeft)),
  };
  changes.push({
    change: possible("nats", name, "alter-stream", text),
    act: { kind: "alter-stream", stream: name, settings: set },
    aspect: "settings",
    before: fingerprint,
    after: streamFingerprint("settings", withStreamSettings(observed, set)),
  });
  return changes;
}

function creation(name: string, declared: NatsStream): PlannedChange {
  const managed = managedSettings(declared);
  const settings = Object.entries(managed).map(([key, value]) => {
    const text = Array.isArray(value) ? value.join(", ") : String(value);
    const setting = key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    return { name: setting, before: "", after: text, declared: text };
  });
  const text = {
    risk: ChangeRisk.SAFE,
    settings,
    summary: `makes the stream ${name}: ${settings.map((one) => `${one.name} ${one.after}`).join("; ")}`,
  };
  return {
    change: possible("nats", name, "create-stream", text),
    act: { kind: "create-stream", stream: name, settings: managed },
    aspect: "existence",
    before: ABSENT,
    after: AS_DECLARED,
  };
}

function moveOf(
  declared: NatsStream,
  observed: ObservedStream,
  difference: StreamDifference,
  context: StreamContext,
): Move {
  const managed = managedSettings(declared);
  const { setting: name, declared: wanted, actual: before } = difference;
  const plain = { name, before, after: wanted, declared: wanted, stepsLeft: 0, warnings: [] as string[] };
  switch (name) {
    case "max_age": {
      const held = ageRoom(context.time, observed.oldestTime);
      const limit = { current: observed.maxAge, target: managed.maxAge, held };
      const move = limitMove(plain, { ...limit, step: context.stepMs, leastStep: HOUR_MS }, "older messages");
      return { ...move, set: { maxAge: BigInt(move.after) } };
    }
    case "max_msgs": {
      const limit = { current: observed.maxMsgs, target: managed.maxMsgs, held: roomFor(observed.messages) };
      const move = limitMove(plain, { ...limit, step: undefined, leastStep: 1n }, "the oldest messages");
      return { ...move, set: { maxMsgs: BigInt(move.after) } };
    }
    case "max_bytes": {
      const limit = { current: observed.maxBytes, target: managed.maxBytes, held: roomFor(observed.bytes) };
      const move = limitMove(plain, { ...limit, step: undefined, leastStep: 1n }, "the oldest messages");
      return { ...move, set: { maxBytes: BigInt(move.after) } };
    }
    case "subjects": {
      const lost = observed.subjects.filter((old) => !managed.subjects.some((kept) => contains(kept, old)));
      const warnings = lost.map((subject) => `${subject} is no longer stored as a whole`);
      const risk = lost.length > 0 ? ChangeRisk.CAUTION : ChangeRisk.SAFE;
      return { ...plain, risk, warnings, set: { subjects: managed.subjects } };
    }
    case "retention": {
      const isInterest = managed.retention === "interest";
      const warnings = isInterest ? ["messages that no consumer waits for are removed at once"] : [];
      const risk = isInterest ? ChangeRisk.DESTRUCTIVE : ChangeRisk.CAUTION;
      return { ...plain, risk, warnings, set: { retention: managed.retention } };
    }
    case "storage":
      return { ...plain, risk: ChangeRisk.CAUTION, set: { storage: managed.storage } };
    case "discard":
      return { ...plain, risk: ChangeRisk.CAUTION, set: { discard: managed.discard } };
    case "no_ack":
      return { ...plain, risk: ChangeRisk.CAUTION, set: { noAck: managed.noAck } };
    case "replicas": {
      const replicas = managed.replicas ?? observed.replicas;
      const risk = replicas < observed.replicas ? ChangeRisk.CAUTION : ChangeRisk.SAFE;
      return { ...plain, risk, set: { replicas } };
    }
    case "duplicate_window": {
      const duplicateWindow = managed.duplicateWindow ?? observed.duplicateWindow;
      const risk = duplicateWindow < observed.duplicateWindow ? ChangeRisk.CAUTION : ChangeRisk.SAFE;
      return { ...plain, risk, set: { duplicateWindow } };
    }
  }
}

// In declarations of streams 0 is "no limit".
function limitMove(
  plain: Omit<Move, "set" | "risk">,
  limit: Parameters<typeof nextStep>[0],
  what: string,
): Omit<Move, "set"> {
  const current = limit.current === 0n ? UNLIMITED : limit.current;
  const target = limit.target === 0n ? UNLIMITED : limit.target;
  if (!isTighter(current, target)) return { ...plain, risk: ChangeRisk.SAFE };
  const { next, stepsLeft } = nextStep({ ...limit, current, target });
  const warnings = [
    `${what} are removed: ${plain.name} goes from ${plain.before} to ${next}`,
    ...(stepsLeft > 0 ? [`this is one step towards ${target}; ${stepsLeft} more follow`] : []),
  ];
  return { ...plain, after: String(next), risk: ChangeRisk.DESTRUCTIVE, warnings, stepsLeft };
}

// A server refuses a window that is longer than the age of messages, also one that is its own default.
function windowMove(
  declared: NatsStream,
  observed: ObservedStream,
  moves: readonly Move[],
): Move | undefined {
  const maxAge = moves.find(({ name }) => name === "max_age")?.set.maxAge;
  const isManaged = managedSettings(declared).duplicateWindow !== undefined;
  if (maxAge === undefined || maxAge === 0n || isManaged || observed.duplicateWindow <= maxAge)
    return undefined;
  const after = String(maxAge);
  return {
    name: "duplicate_window",
    before: String(observed.duplicateWindow),
    after,
    declared: after,
    risk: ChangeRisk.CAUTION,
    warnings: ["the duplicate window cannot be longer than max_age, so it shrinks with it"],
    stepsLeft: 0,
    set: { duplicateWindow: maxAge },
  };
}
