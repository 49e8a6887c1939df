import type { ObservedStream } from "./observed-nats.ts";

/** A limit of a stream that is in the way of the time for which messages are to stay. */
export interface BitingLimit {
  readonly setting: "max_msgs" | "max_bytes" | "max_msgs_per_subject";
  readonly limit: bigint;
  /**
   * "removes": it has removed messages that were not old enough. "full": it refuses new messages. "soon": at the rate
   * seen it will do one of these before the time is up.
   */
  readonly effect: "removes" | "full" | "soon";
  /** For "soon": how long messages will stay, in milliseconds. */
  readonly holdsMs: number;
}

/** The fill from which a rate is told: a burst at the start of a stream is no rate. */
const LEAST_FILL = 0.1;

/**
 * Judges the limits of a stream by what it holds. `maxAge` is the time for which messages are to stay, in milliseconds;
 * 0: for ever. `now` in milliseconds since 1970. Tells at most one thing of each limit.
 */
export function bitingLimits(stream: ObservedStream, maxAge: bigint, now: number): BitingLimit[] {
  const { oldestTime, messages, bytes, maxMsgs, maxBytes } = stream;
  if (oldestTime === undefined || messages === 0n) return [];
  const age = Math.max(0, now - oldestTime);
  // A limit that is reached while the oldest message is as old as it may get takes nothing away from anybody.
  if (maxAge > 0n && age >= Number(maxAge)) return [];
  const average = bytes / messages;
  const limits = [
    { setting: "max_msgs", limit: maxMsgs, used: messages, isReached: messages >= maxMsgs },
    // The next message or the one after it would not fit.
    { setting: "max_bytes", limit: maxBytes, used: bytes, isReached: bytes + 2n * average >= maxBytes },
  ] as const;
  const biting: BitingLimit[] = [];
  for (const { setting, limit, used, isReached } of limits) {
    if (limit === 0n) continue;
    if (isReached && stream.discard === "new") {
      biting.push({ setting, limit, effect: "full", holdsMs: age });
    } else if (isReached && stream.firstSequence > 1n) {
      biting.push({ setting, limit, effect: "removes", holdsMs: age });
    } else if (!isReached && maxAge > 0n && stream.retention === "limits") {
      const fill = Number(used) / Number(limit);
      const holdsMs = Math.round(age / fill);
      if (fill >= LEAST_FILL && holdsMs < Number(maxAge)) {
        biting.push({ setting, limit, effect: "soon", holdsMs });
      }
    }
  }
  if (isTrimmedBySubject(stream)) {
    biting.push({
      setting: "max_msgs_per_subject",
      limit: stream.maxMsgsPerSubject,
      effect: "removes",
      holdsMs: age,
    });
  }
  return biting;
}

// Age and size remove messages from the start. What is gone from the middle went by this limit, where no acknowledgement
// removes messages either.
function isTrimmedBySubject(stream: ObservedStream): boolean {
  const { maxMsgsPerSubject, retention, firstSequence, lastSequence, messages } = stream;
  if (maxMsgsPerSubject === 0n || retention !== "limits") return false;
  return lastSequence - firstSequence + 1n > messages;
}
