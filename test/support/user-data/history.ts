import { createHash } from "node:crypto";
import { eventHash } from "../../../src/data/event-hash.ts";
import type { userDataClient } from "./clients.ts";

type Client = ReturnType<typeof userDataClient>;

/**
 * What is wrong with a user's history, read through the API: sequences without gaps from 1, each id once, a chain that
 * fits, and everything in it that was acknowledged, at the place that was said. Acknowledged: sequences by id.
 */
export async function historyFaults(
  client: Client,
  userId: string,
  acknowledged: ReadonlyMap<string, bigint>,
): Promise<string[]> {
  const faults: string[] = [];
  const stored = new Map<string, bigint>();
  let previous: Buffer = Buffer.alloc(32);
  for await (const { events } of client.exportUserData({ userId })) {
    for (const event of events) {
      const { eventId, eventType, sequence, eventJson, recordTime } = event;
      if (stored.has(eventId)) faults.push(`${userId}: ${eventId} is there twice`);
      if (sequence !== BigInt(stored.size + 1)) faults.push(`${userId}: ${sequence} after ${stored.size}`);
      stored.set(eventId, sequence);
      const recordTimeUs =
        (recordTime?.seconds ?? 0n) * 1_000_000n + BigInt((recordTime?.nanos ?? 0) / 1_000);
      const bodySha256 = createHash("sha256").update(eventJson).digest();
      const hash = eventHash({ userId, eventId, eventType, sequence, recordTimeUs, bodySha256 }, previous);
      if (event.previousHash !== previous.toString("hex"))
        faults.push(`${userId}: ${sequence} follows another`);
      if (event.hash !== hash.toString("hex")) faults.push(`${userId}: ${sequence} has another hash`);
      previous = hash;
    }
  }
  for (const [id, sequence] of acknowledged) {
    if (stored.get(id) !== sequence)
      faults.push(`${userId}: ${id} was acknowledged as ${sequence} and is ${stored.get(id)}`);
  }
  return faults;
}
