import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { Client } from "pg";
import {
  GetUserDataResponseSchema,
  SaveUserEventRequestSchema,
  SaveUserEventsRequestSchema,
  SaveUserEventsResponseSchema,
} from "../../gen/centralhub/userdata/v1/userdata_service_pb.ts";
import { bind } from "../../src/adapters/postgres/statement.ts";
import { PAGE as PAGE_OF } from "../../src/adapters/postgres/statements.ts";
import { readInTurn } from "../../src/adapters/postgres/transaction.ts";
import { eventIdFloor, LAST_EVENT_ID } from "../../src/data/event-id.ts";
import { ANSWER_BYTES } from "../../src/data/user-data.ts";
import { startPostgres } from "../../test/support/servers/postgres.ts";
import { callOnce, type UnaryCall } from "../grpc.ts";
import type { Loaded } from "../h2load.ts";
import type { BenchHub } from "../hub.ts";
import { withServers } from "../kept.ts";
import { compare, type Effort, loaded, type Side } from "../measure.ts";
import { startPeer } from "../peers.ts";
import { LOAD_CORE, type Server } from "../process.ts";
import { atLeast, type Bar, COMPARISON_HEAD, comparisonLine, type Report } from "../results.ts";
import { PAGE, readPage, startUserDataHub, userDataCall, userDataLoad } from "./user-data-calls.ts";

const EVENTS = 100;
const IN_FLIGHT = 64;
const READER = "reader";
const EVENT = {
  eventType: "trade_executed",
  eventJson: JSON.stringify({ symbol: "EURUSD", price: 1.0842, volume: 0.5, side: "buy", order: 4711 }),
};
/** What GetUserData sends for a page that is alone, in one round trip as there: the same statements, as the same role, prepared. */
const TRANSACTION = readInTurn([
  {
    context: { userId: READER },
    statement: bind(PAGE_OF.user_trades, READER, eventIdFloor(0), LAST_EVENT_ID, PAGE + 1, ANSWER_BYTES),
  },
]);
const variable = (statement: number, place: number | string): string => `v${statement}_${place}`;

/** User data in PostgreSQL, against what its driver and its own load program do with the same tables. */
export async function userdata(effort: Effort): Promise<Report> {
  return await withServers(async (keep) => {
    const postgres = await keep(startPostgres({ own: true }));
    const database = await postgres.createDatabase();
    const other = await postgres.createDatabase();
    const hub = await keep(startUserDataHub(database.url));
    // The same schema, made by the hub that then leaves.
    await (await startUserDataHub(other.url)).stop();
    const lines = [...COMPARISON_HEAD];
    const bars: Bar[] = [];
    const against = async (
      work: string,
      ours: Side,
      name: string,
      theirs: Side,
      bar: number,
    ): Promise<void> => {
      const comparison = await compare(ours, theirs, effort);
      lines.push(comparisonLine(`${work} / ${name}`, comparison));
      bars.push(atLeast(`${work} against ${name}`, bar, comparison));
    };

    const unnest = await keep(startPeer("pgUnnest", Buffer.from(other.url)));
    const many = saveMany(hub);
    await checkSaved(many);
    const before = await stored(database.url);
    let calls = 0;
    const ours = loaded(hub, userDataLoad(many, 16));
    const counted = async (seconds: number): Promise<Loaded> => {
      const done = await ours.run(seconds);
      calls += done.requests;
      return done;
    };
    const alone: Side = { server: unnest, run: (seconds) => unnestRun(unnest, seconds) };
    await against(`SaveUserEvents, ${EVENTS} in a call`, { ...ours, run: counted }, unnest.name, alone, 0.6);
    const added = (await stored(database.url)) - before;
    if (added < calls * EVENTS)
      throw new Error(`${calls} calls were answered, and ${added} events are stored`);

    const insert = await keep(startPeer("grpcJsInsert", Buffer.from(other.url)));
    const one = saveOne(hub);
    await callOnce(one);
    const theirs = { ...one, port: insert.port };
    await callOnce(theirs);
    await against(
      `SaveUserEvent, ${IN_FLIGHT} in flight`,
      loaded(hub, userDataLoad(one, IN_FLIGHT)),
      insert.name,
      loaded(insert, userDataLoad(theirs, IN_FLIGHT)),
      2,
    );

    for (let times = 0; times < 2; times++) await callOnce(saveMany(hub, READER));
    const page = readPage(hub, READER);
    const { events } = fromBinary(GetUserDataResponseSchema, await callOnce(page));
    if (events.length !== PAGE) throw new Error(`the page has ${events.length} events`);
    const pgbench: Side = { server: undefined, run: (seconds) => pgbenchRun(database.url, seconds) };
    const reading = loaded(hub, userDataLoad(page, IN_FLIGHT));
    await against(`GetUserData, a page of ${PAGE}`, reading, "the same transaction by pgbench", pgbench, 0.5);
    lines.push(
      "",
      `PostgreSQL ${postgres.major} with fsync, on both cores; a rate is of calls, each with all its events.`,
    );
    return { lines, bars };
  });
}

function saveMany(hub: BenchHub, userId?: string): UnaryCall {
  const events = Array.from({ length: EVENTS }, (_, at) => ({ ...EVENT, userId: userId ?? `user-${at}` }));
  return userDataCall(hub, "SaveUserEvents", SaveUserEventsRequestSchema, { events });
}

function saveOne(hub: BenchHub): UnaryCall {
  return userDataCall(hub, "SaveUserEvent", SaveUserEventRequestSchema, { ...EVENT, userId: "one" });
}

async function checkSaved(many: UnaryCall): Promise<void> {
  const { results } = fromBinary(SaveUserEventsResponseSchema, await callOnce(many));
  const saved = results.filter(({ outcome }) => outcome.case === "saved");
  if (saved.length !== EVENTS) throw new Error(`${saved.length} of ${EVENTS} events were saved`);
}

async function stored(url: string): Promise<number> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ count: string }>("SELECT count(*) FROM hub.user_trades");
    return Number(rows[0]?.count);
  } finally {
    await client.end();
  }
}

async function unnestRun({ port }: Server, seconds: number): Promise<Loaded> {
  const answer = await fetch(`http://127.0.0.1:${port}/?seconds=${seconds}`);
  if (!answer.ok) throw new Error(await answer.text());
  return (await answer.json()) as Loaded;
}

async function pgbenchRun(url: string, seconds: number): Promise<Loaded> {
  const directory = await mkdtemp(join(tmpdir(), "central-hub-bench-"));
  try {
    const script = join(directory, "page.sql");
    const statements = TRANSACTION.map(
      ({ text }, at) =>
        `${text.replace(/\s+/g, " ").replace(/\$(\d)/g, (_, place) => `:${variable(at, place)}`)};`,
    );
    await writeFile(script, ["\\startpipeline", ...statements, "\\endpipeline", ""].join("\n"));
    const args = ["-n", "-M", "prepared", "-c", "8", "-j", "1", "-T", `${Math.max(1, Math.round(seconds))}`];
    for (const [at, { values = [] }] of TRANSACTION.entries()) {
      for (const [place, value] of values.entries()) args.push("-D", `${variable(at, place + 1)}=${value}`);
    }
    const { stdout } = await promisify(execFile)("taskset", [
      ...["-c", LOAD_CORE, "pgbench", ...args, "-f", script, url],
    ]);
    const [, requests] = /transactions actually processed: (\d+)/.exec(stdout) ?? [];
    const [, perSecond] = /tps = ([\d.]+)/.exec(stdout) ?? [];
    if (!Number(perSecond)) throw new Error(`pgbench: ${stdout}`);
    return { requests: Number(requests), perSecond: Number(perSecond) };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
