import type { KafkaTopic } from "../../gen/centralhub/config/v1/kafka_pb.ts";
import { declaredPolicy } from "../health/topic-comparison.ts";

/** What the changes of one topic depend on beside the topic. */
export interface TopicContext {
  /** The compliance floor that holds for it now. */
  readonly floor: { readonly rule: string; readonly floorMs: bigint } | undefined;
  /** Greatest step of its retention, in milliseconds; undefined: half. */
  readonly stepMs: bigint | undefined;
  /** When it was looked at, in milliseconds since 1970. */
  readonly time: number;
  /** The field that records are keyed by. */
  readonly key: string;
}

/** Why a floor forbids a declared setting, by setting; documents that are published hold none, waivers expire. */
export function floorFaults(declared: KafkaTopic, floor: TopicContext["floor"]): ReadonlyMap<string, string> {
  const faults = new Map<string, string>();
  if (!floor) return faults;
  const { rule, floorMs } = floor;
  const why = (what: string): string => `${what}, which the floor of ${rule} (${floorMs} ms) does not allow`;
  const { retentionMs, retentionBytes } = declared;
  if (retentionMs !== -1n && retentionMs < floorMs) {
    faults.set("retention.ms", why(`records would be removed after ${retentionMs} ms`));
  }
  if (retentionBytes !== undefined && retentionBytes !== -1n) {
    faults.set("retention.bytes", why("records would be removed for their size, whatever their age"));
  }
  if (declaredPolicy(declared).includes("compact")) {
    faults.set("cleanup.policy", why("compaction would remove all but the last record of a key"));
  }
  return faults;
}
