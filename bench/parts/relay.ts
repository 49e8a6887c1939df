import { Client } from "pg";
import { SaveUserEventsRequestSchema } from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { until } from "../../test/support/servers/child.ts";
import { startKafka } from "../../test/support/servers/kafka.ts";
import { startPostgres } from "../../test/support/servers/postgres.ts";
import { firstSequences, readRecords } from "../../test/support/user-data/kafka-records.ts";
import { callOnce } from "../grpc.ts";
import type { Loaded } from "../h2load.ts";
import { withServers } from "../kept.ts";
import { compare, type Effort, type Side, spread } from "../measure.ts";
import { startPeer } from "../peers.ts";
import { cpuSecondsOf } from "../process.ts";
import { COMPARISON_HEAD, comparisonLine, type Report } from "../results.ts";
import { startUserDataHub, userDataCall } from "./user-data-calls.ts";

const TOPIC = "user.trades";
const USERS = Array.from({ length: 200 }, (_, at) => `user-${at}`);
const STORED = 10_000;
const PER_CALL = 1_000;
const ROWS_PER_SECOND = 10_000;
const DRAINED_MS = 300_000;
const EVENT = {
  eventType: "trade_executed",
  eventJson: JSON.stringify({ symbol: "EURUSD", price: 1.0842, volume: 0.5, side: "buy", order: 4711 }),
};
/** Puts stored events into the outbox, so many times all of them. */
const FILL = `INSERT INTO hub.outbox (shard, user_id, seq, topic, event_id, event_type, data_type, table_name, created_at)
  SELECT hub.bucket_of(user_id) % 16, user_id, seq, '${TOPIC}', event_id, event_type, 'trades', 'user_trades', now()
  FROM hub.user_trades CROSS JOIN generate_series(1, $1::int) AS n ORDER BY n, seq, user_id`;
const BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'central-hub%'";

/** What the outbox's relay sends to Kafka in a second, against a producer that has its records in memory. */
export async function relay(effort: Effort): Promise<Report> {
  return await withServers(async (keep) => {
    const postgres = await keep(startPostgres({ own: true }));
    const kafka = await keep(startKafka({ own: true }));
    for (const topic of [TOPIC, "bench.bare"]) {
      await kafka.tool("topics", ["--create", "--topic", topic, "--partitions", "6"]);
    }
    const { url } = await postgres.createDatabase();
    const hub = await keep(startUserDataHub(url, { KAFKA_BROKERS: kafka.bootstrap }));
    const admin = new Client({ connectionString: url });
    await admin.connect();
    try {
      for (let stored = 0; stored < STORED; stored += PER_CALL) {
        const events = Array.from({ length: PER_CALL }, (_, at) => ({
          ...EVENT,
          userId: USERS[at % USERS.length] ?? "",
        }));
        await callOnce(userDataCall(hub, "SaveUserEvents", SaveUserEventsRequestSchema, { events }));
      }
      const isEmpty = async (): Promise<boolean> =>
        !(await admin.query("SELECT EXISTS (SELECT FROM hub.outbox) AS some")).rows[0].some;
      await until("what was stored is sent", isEmpty, DRAINED_MS, () => hub.output());
      const databaseSeconds: number[] = [];
      const drain = async (seconds: number): Promise<Loaded> => {
        const times = Math.max(1, Math.round((seconds * ROWS_PER_SECOND) / STORED));
        const { rows: backends } = await admin.query<{ pid: number }>(BACKENDS);
        const worked = (): number => backends.reduce((sum, { pid }) => sum + cpuSecondsOf(pid), 0);
        await admin.query("VACUUM ANALYZE hub.outbox");
        const before = worked();
        await admin.query(FILL, [times]);
        const began = performance.now();
        await until("the outbox is empty", isEmpty, DRAINED_MS, () => hub.output());
        const took = (performance.now() - began) / 1_000;
        databaseSeconds.push(((worked() - before) / (times * STORED)) * 1_000);
        return { requests: times * STORED, perSecond: (times * STORED) / took };
      };
      const given = {
        brokers: kafka.bootstrap.split(","),
        topic: "bench.bare",
        users: USERS,
        text: EVENT.eventJson,
      };
      const bare = await keep(startPeer("kafkaProducer", Buffer.from(JSON.stringify(given))));
      const ours: Side = { server: hub, run: drain };
      const theirs: Side = {
        server: bare,
        run: async (seconds) => {
          const answer = await fetch(`http://127.0.0.1:${bare.port}/?records=${seconds * ROWS_PER_SECOND}`);
          if (!answer.ok) throw new Error(await answer.text());
          return (await answer.json()) as Loaded;
        },
      };
      const comparison = await compare(ours, theirs, effort);
      const records = await readRecords(kafka.bootstrap, [TOPIC]);
      const expected = Array.from({ length: STORED / USERS.length }, (_, at) => BigInt(at + 1));
      for (const userId of USERS) {
        if (String(firstSequences(records, TOPIC, userId)) !== String(expected))
          throw new Error(`the records of ${userId} are not those that were stored, in their order`);
      }
      const { median, min, max } = spread(databaseSeconds);
      return {
        lines: [
          ...COMPARISON_HEAD,
          comparisonLine(`from the outbox to Kafka / ${bare.name}`, comparison),
          "",
          `PostgreSQL ${postgres.major} with fsync and Kafka ${kafka.version}, one broker, on both cores. An event has ${EVENT.eventJson.length} bytes and ten headers; ${USERS.length} users, 6 partitions.`,
          `The database worked ${median.toFixed(4)} s (${min.toFixed(4)}–${max.toFixed(4)}) for 1,000 events. ${records.length} records were read back.`,
        ],
        bars: [],
      };
    } finally {
      await admin.end();
    }
  });
}
