// What a producer alone can send: records like those of the relay, with all in-sync replicas asked and idempotent, a
// thousand in a call, without a database. Each GET /?records=N sends so many and answers with what was done. Arguments:
// port, file with the brokers, topic and payload as JSON.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import { ProduceAcks, Producer } from "@platformatic/kafka";
import { eventRecord } from "../../src/adapters/kafka/event-record.ts";
import { newEventId } from "../../src/data/event-id.ts";

const BATCH = 1_000;
const [port = "", file = ""] = process.argv.slice(2);
const { brokers, topic, users, text } = JSON.parse(readFileSync(file, "utf8"));
const body = Buffer.from(text);
const hash = createHash("sha256").update(body).digest();
const producer = new Producer<Buffer, Buffer, Buffer, Buffer>({
  clientId: "bench",
  bootstrapBrokers: brokers,
  idempotent: true,
  acks: ProduceAcks.ALL,
});
let sequence = 0n;

function record(n: number) {
  sequence += 1n;
  const eventId = newEventId();
  const made = eventRecord({
    ...{ id: String(n), shard: 0, topic, userId: users[n % users.length], eventId, body, hash, sequence },
    ...{ eventType: "trade_executed", dataType: "trades", table: "user_trades" },
    recordTimeUs: BigInt(Date.now()) * 1000n,
  });
  return { ...made, value: body, topic };
}

async function work(records: number): Promise<{ requests: number; perSecond: number }> {
  const began = performance.now();
  for (let sent = 0; sent < records; sent += BATCH) {
    const messages = Array.from({ length: Math.min(BATCH, records - sent) }, (_, at) => record(sent + at));
    await producer.send({ messages });
  }
  return { requests: records, perSecond: records / ((performance.now() - began) / 1_000) };
}

http
  .createServer((request, response) => {
    const records = Number(new URL(request.url ?? "/", "http://localhost").searchParams.get("records"));
    work(records).then(
      (done) => response.end(JSON.stringify(done)),
      (error: Error) => response.writeHead(500).end(error.message),
    );
  })
  .listen(Number(port), "127.0.0.1");
