// What pg alone can store in the hub's own table: INSERT from unnest, 100 rows in a statement, several at a time. Each
// GET /?seconds=S works that long and answers with what was done. Arguments: port, file with the address of a database
// that a hub has migrated.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import { Pool } from "pg";
import { newEventId } from "../../src/data/event-id.ts";

const ROWS = 100;
const AT_A_TIME = 8;
const [port = "", file = ""] = process.argv.slice(2);
const pool = new Pool({ connectionString: readFileSync(file, "utf8"), max: AT_A_TIME });
const body = Buffer.from(
  JSON.stringify({ symbol: "EURUSD", price: 1.0842, volume: 0.5, side: "buy", order: 4711 }),
);
const hash = createHash("sha256").update(body).digest();
const users = Array.from({ length: ROWS }, (_, at) => `pg-${at}`);
let sequence = 0;

async function insert(): Promise<void> {
  sequence += 1;
  const same = <Value>(value: Value): Value[] => new Array<Value>(ROWS).fill(value);
  const hashes = same(hash);
  await pool.query({
    name: "insert",
    text: `INSERT INTO hub.user_trades (user_id, event_id, seq, event_type, body, body_sha256, prev_hash, hash, ingested_at)
      SELECT n.*, now() FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[],
        $8::bytea[]) AS n`,
    values: [
      ...[users, users.map(() => newEventId()), same(String(sequence)), same("trade_executed"), same(body)],
      ...[hashes, hashes, hashes],
    ],
  });
}

async function work(seconds: number): Promise<{ requests: number; perSecond: number }> {
  const began = performance.now();
  let requests = 0;
  const one = async (): Promise<void> => {
    while (performance.now() - began < seconds * 1_000) {
      await insert();
      requests += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, one));
  return { requests, perSecond: requests / ((performance.now() - began) / 1_000) };
}

http
  .createServer((request, response) => {
    const seconds = Number(new URL(request.url ?? "/", "http://localhost").searchParams.get("seconds"));
    work(seconds).then(
      (done) => response.end(JSON.stringify(done)),
      (error: Error) => response.writeHead(500).end(error.message),
    );
  })
  .listen(Number(port), "127.0.0.1");
