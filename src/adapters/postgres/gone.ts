import type { GoneHistory, GoneReason, Signed } from "../../data/history-records.ts";

/** A row of hub.pruned. */
export interface GoneRow {
  readonly id: string;
  readonly user_id: string;
  readonly data_type: string;
  readonly reason: GoneReason;
  readonly time_us: string;
  readonly seqs: readonly string[];
  readonly hashes: readonly Buffer[];
  readonly key_id: string;
  readonly signature: Buffer;
}

/** The record that a row holds. */
export function goneRecord(row: GoneRow): Signed<GoneHistory> {
  return {
    userId: row.user_id,
    dataType: row.data_type,
    reason: row.reason,
    timeUs: BigInt(row.time_us),
    events: row.seqs.map((sequence, index) => ({
      sequence: BigInt(sequence),
      hash: row.hashes[index] ?? Buffer.alloc(0),
    })),
    keyId: row.key_id,
    signature: row.signature,
  };
}
