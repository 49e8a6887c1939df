import type { GoneHistory, Signed } from "../../data/history-records.ts";
import type { Statement } from "./statement.ts";

/**
 * What every transaction begins with that removes events, or says what is kept: retention, erasures and legal holds wait
 * for each other. What it reads after this is how things stand until it commits. Statements before this one see less.
 */
export const LOCK_KEEPING: Statement = {
  name: "lock_keeping",
  text: "SELECT pg_advisory_xact_lock(724186532, 2)",
};

/** Adds signed records of what is gone to hub.pruned; the caller removes the events in the same transaction. */
export function insertGone(records: readonly Signed<GoneHistory>[]): Statement {
  return { name: "insert_gone", text: INSERT_GONE, values: goneValues(records) };
}

const INSERT_GONE = `INSERT INTO hub.pruned
    (user_id, data_type, reason, pruned_at, seqs, hashes, newest_seq, key_id, signature) ${goneRows("")}`;

/** The rows of records, for an INSERT; `first` are columns before the others, of the parameters after $10. */
export function goneRows(first: string): string {
  // Each record has its part of the sequences and hashes of all.
  return `SELECT ${first} r.user_id, r.data_type, r.reason, 'epoch'::timestamptz + r.time_us * interval '1 microsecond',
      ($8::bigint[])[r.from_place:r.to_place], ($9::bytea[])[r.from_place:r.to_place], ($8::bigint[])[r.to_place],
      r.key_id, r.signature
    FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::int[], $7::text[], $10::bytea[])
      WITH ORDINALITY AS r (user_id, data_type, reason, time_us, from_place, to_place, key_id, signature, place)
    ORDER BY r.place`;
}

/** What $1 to $10 of `goneRows` are. */
export function goneValues(records: readonly Signed<GoneHistory>[]): readonly unknown[] {
  let end = 0;
  const places = records.map(({ events }) => {
    const from = end + 1;
    end += events.length;
    return { from, to: end };
  });
  const events = records.flatMap((record) => record.events);
  return [
    records.map(({ userId }) => userId),
    records.map(({ dataType }) => dataType),
    records.map(({ reason }) => reason),
    records.map(({ timeUs }) => String(timeUs)),
    places.map(({ from }) => from),
    places.map(({ to }) => to),
    records.map(({ keyId }) => keyId),
    events.map(({ sequence }) => String(sequence)),
    events.map(({ hash }) => hash),
    records.map(({ signature }) => signature),
  ];
}
