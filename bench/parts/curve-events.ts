import { fromBinary } from "@bufbuild/protobuf";
import { Client } from "pg";
import { GetUserDataResponseSchema } from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { startPostgres } from "../../test/support/servers/postgres.ts";
import { callOnce } from "../grpc.ts";
import { withServers } from "../kept.ts";
import { loaded } from "../measure.ts";
import type { Growth } from "./curves.ts";
import { PAGE, readPage, startUserDataHub, userDataLoad } from "./user-data-calls.ts";

const WHY =
  "A page is found by the primary key: EXPLAIN shows the same five blocks and 0.06 ms for a user with 10,000 events and for one with 1,000,000. What is more than that is the call; a page that takes longer right after a million rows were put in waits for what PostgreSQL still does about them, so tables are vacuumed before the time is taken.";
const SIZES = [100, 1_000, 10_000, 100_000, 1_000_000];
const OTHERS = [1, 10, 100, 1_000, 10_000];
const SECONDS = 2;

/** What events and users that are there already cost a page of the newest. */
export async function eventsCurve(): Promise<Growth> {
  return await withServers(async (keep) => {
    const postgres = await keep(startPostgres({ own: true, fsync: false }));
    const { url } = await postgres.createDatabase();
    const hub = await keep(startUserDataHub(url));
    const time = async (userId: string): Promise<number> => {
      const page = readPage(hub, userId);
      const { events } = fromBinary(GetUserDataResponseSchema, await callOnce(page));
      if (events.length !== PAGE) throw new Error(`the page of ${userId} has ${events.length} events`);
      const side = loaded(hub, userDataLoad(page, 1));
      await side.run(1);
      return 1_000 / (await side.run(SECONDS)).perSecond;
    };
    const byEvents: (readonly [number, number])[] = [];
    for (const events of SIZES) {
      await fill(url, `with-${events}`, 1, events);
      byEvents.push([events, await time(`with-${events}`)]);
    }
    const byUsers: (readonly [number, number])[] = [];
    for (const users of OTHERS) {
      await fill(url, `of-${users}`, users, PAGE * 2);
      byUsers.push([users, await time(`of-${users}-0`)]);
    }
    return {
      why: WHY,
      file: "curve-events.svg",
      title: `A page of ${PAGE}, one call at a time`,
      xName: "events of the user, or users with 100 each",
      curves: [
        { name: "more events of the user: ms", points: byEvents },
        { name: "more users: ms", points: byUsers },
      ],
    };
  });
}

// Straight into the table: what is measured is the reading.
async function fill(url: string, name: string, users: number, events: number): Promise<void> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(
      `INSERT INTO hub.user_trades (user_id, event_id, seq, event_type, body, body_sha256, prev_hash, hash, ingested_at)
        SELECT CASE WHEN $2::int = 1 AND $1 LIKE 'with-%' THEN $1 ELSE $1 || '-' || u END,
          (substr(hub.uuid_floor(now())::text, 1, 14) || '7' || lpad(to_hex(e / 4096 % 4096), 3, '0') || '-8'
            || lpad(to_hex(e % 4096), 3, '0') || '-' || lpad(to_hex(u), 12, '0'))::uuid,
          e, 'trade_executed', convert_to('{"symbol":"EURUSD","price":1.0842,"order":4711}', 'UTF8'),
          sha256(''), sha256(''), sha256(''), now()
        FROM generate_series(0, $2::int - 1) AS u, generate_series(1, $3::int) AS e`,
      [name, users, events],
    );
    await client.query("VACUUM (ANALYZE) hub.user_trades");
  } finally {
    await client.end();
  }
}
