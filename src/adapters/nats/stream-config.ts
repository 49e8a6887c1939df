import { setTimeout as sleep } from "node:timers/promises";
import {
  DiscardPolicy,
  type JetStreamManager,
  NatsError,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "nats";
import type { Logger } from "../../telemetry/logger.ts";
import { explained } from "./link.ts";

const STREAM_NOT_FOUND = 10059;
const NAME_IN_USE = 10058;
const NOT_CLUSTERED = 10074;
const NO_PEERS = 10005;
const RETRY_MS = 250;

/** A stream that cannot hold the history; the message says why, and what to do. */
class UnfitStream extends Error {
  override readonly name = "UnfitStream";
}

/** The one subject that hubs publish entries to. */
export function subjectOf(stream: string): string {
  return `centralhub.revisions.${stream}`;
}

/** Where the server tells, without the content, that it has stored an entry. */
export function storedSubjectOf(stream: string): string {
  return `centralhub.stored.${stream}`;
}

// How often an entry reaches the disk is no matter of the stream: the server acknowledges before it has synced
// unless its own configuration says `jetstream { sync_interval: always }`, and does not tell a client which it is.
// With less, an entry acknowledged within the last two minutes is lost when the machines of a majority of the
// replicas lose power together. The tests' servers use `always`, and production's should.
function configOf(stream: string, replicas: number): Partial<StreamConfig> {
  return {
    name: stream,
    description: "The history of Central Hub's configuration: message n is revision n",
    subjects: [subjectOf(stream)],
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    max_msgs: -1,
    max_bytes: -1,
    max_age: 0,
    max_msgs_per_subject: -1,
    max_msg_size: -1,
    deny_delete: true,
    deny_purge: true,
    allow_rollup_hdrs: false,
    allow_direct: true,
    num_replicas: replicas,
    republish: { src: subjectOf(stream), dest: storedSubjectOf(stream), headers_only: true },
  };
}

/**
 * Finds the stream, or makes it: with three replicas in a cluster, one on a lone server, or as many as are asked for.
 * Tries until the time is over, for a cluster may be on its way up. Throws UnfitStream for a stream that could lose
 * entries.
 */
export async function findOrMakeStream(
  manager: JetStreamManager,
  stream: string,
  replicas: number | undefined,
  timeoutMs: number,
  logger: Logger,
): Promise<StreamInfo> {
  for (const end = performance.now() + timeoutMs; ; await sleep(RETRY_MS)) {
    try {
      const info = (await found(manager, stream)) ?? (await made(manager, stream, replicas));
      expectFit(info);
      warnOfFewReplicas(info, logger);
      return info;
    } catch (error) {
      if (error instanceof UnfitStream) throw error;
      if (performance.now() + RETRY_MS < end) continue;
      if (codeOf(error) !== NO_PEERS) throw error;
      const remedy = "start the servers that are missing, or say with ?replicas=1 that fewer copies will do";
      throw new UnfitStream(`the stream ${stream} has no place: ${explained(error)}; ${remedy}`, {
        cause: error,
      });
    }
  }
}

async function found(manager: JetStreamManager, stream: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(stream);
  } catch (error) {
    if (isStreamNotFound(error)) return undefined;
    throw error;
  }
}

/** Whether the server says that there is no stream of that name. */
export function isStreamNotFound(error: unknown): boolean {
  return codeOf(error) === STREAM_NOT_FOUND;
}

// Two hubs may do this at once. The server takes the same configuration twice; should another one have come first,
// the next round finds it.
async function made(
  manager: JetStreamManager,
  stream: string,
  replicas: number | undefined,
): Promise<StreamInfo> {
  try {
    return await manager.streams.add(configOf(stream, replicas ?? 3));
  } catch (error) {
    const isLone = codeOf(error) === NOT_CLUSTERED && replicas === undefined;
    if (isLone) return await manager.streams.add(configOf(stream, 1));
    if (codeOf(error) === NAME_IN_USE) return await manager.streams.info(stream);
    throw error;
  }
}

// Limits are fine as long as what does not fit is refused, and not let in at the cost of what is old.
function expectFit({ config, state }: StreamInfo): void {
  const faults: string[] = [];
  const expect = (isFit: boolean, fault: string): void => void (isFit || faults.push(fault));
  expect(config.storage === StorageType.File, "its storage must be file");
  expect(config.retention === RetentionPolicy.Limits, "its retention must be limits");
  expect(config.discard === DiscardPolicy.New, "its discard policy must be new");
  expect(config.max_age === 0, "max_age must be 0");
  expect(config.max_msgs_per_subject <= 0, "max_msgs_per_subject must be -1");
  expect(config.deny_delete && config.deny_purge, "deny_delete and deny_purge must be true");
  expect(!config.mirror && !config.sources?.length, "it must have neither a mirror nor sources");
  expect(!config.no_ack && !config.sealed, "it must acknowledge, and not be sealed");
  const subject = subjectOf(config.name);
  expect(config.subjects?.join() === subject, `its only subject must be ${subject}`);
  expect(state.messages === 0 || state.first_seq === 1, `its entries before ${state.first_seq} are gone`);
  if (faults.length === 0) return;
  const remedy = "mend it, or name a stream that does not exist yet";
  throw new UnfitStream(`the stream ${config.name} cannot hold the history: ${faults.join("; ")}. ${remedy}`);
}

function warnOfFewReplicas({ config, cluster }: StreamInfo, logger: Logger): void {
  if (config.num_replicas > 1 || !cluster?.name) return;
  logger.warn(
    { stream: config.name, cluster: cluster.name },
    "the history has one replica in a cluster; it is out of reach whenever that server is",
  );
}

function codeOf(error: unknown): number | undefined {
  return error instanceof NatsError ? error.api_error?.err_code : undefined;
}
