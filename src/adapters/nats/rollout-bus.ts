import type {} from "nats";
import type { PeerRecord, RolloutBus } from "../../config/shared-rollout.ts";
import { natsOptions, parseNatsUrl } from "./connect.ts";
import { openConnection } from "./connection.ts";

const DEFAULT_NAME = "CENTRAL_HUB_REVISIONS";

/** A bus, and the way to give it back. */
export interface NatsRolloutBus extends RolloutBus {
  close(): Promise<void>;
}

/**
 * Tells the hubs of one log of each other's instances, on a subject of plain NATS beside the log's stream. Throws what
 * connecting throws.
 */
export async function openRolloutBus(url: string): Promise<NatsRolloutBus> {
  const address = parseNatsUrl(url);
  const connection = await openConnection(natsOptions(address, "central-hub rollout"));
  const subject = `${address.path || DEFAULT_NAME}.rollout`;
  const listeners = new Set<(record: PeerRecord) => void>();
  connection.subscribe(subject, {
    callback: (error, message) => {
      const record = error ? undefined : decode(message.data);
      if (record) for (const listener of listeners) listener(record);
    },
  });
  return {
    // While there is no connection the client would keep what is sent, and send it all late; the next round is newer.
    send: (record) => {
      if (!connection.isClosed() && !connection.isDraining()) connection.publish(subject, encode(record));
    },
    onRecord: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => connection.close(),
  };
}

function encode({ applied, ...record }: PeerRecord): Uint8Array {
  const delivery = applied && { ...applied, revision: String(applied.revision) };
  return Buffer.from(JSON.stringify({ ...record, applied: delivery }));
}

// Whoever else publishes on the subject is not listened to.
function decode(data: Uint8Array): PeerRecord | undefined {
  try {
    const { applied, ...record } = JSON.parse(Buffer.from(data).toString("utf8"));
    const names = [record.hub, record.service, record.instance, record.follows.version];
    const isRecord =
      names.every((name) => typeof name === "string") &&
      [record.connections, record.lastSeen].every((number) => Number.isFinite(number)) &&
      [record.rejected, record.follows.systems].every((list) => Array.isArray(list));
    if (!isRecord) return undefined;
    return {
      ...record,
      applied: applied && { nonce: String(applied.nonce), revision: BigInt(applied.revision) },
    };
  } catch {
    return undefined;
  }
}
