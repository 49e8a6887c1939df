import { startEtcd } from "../etcd.ts";
import { buildHerd, type Told } from "../herd.ts";
import { startBenchHub } from "../hub.ts";
import { withServers } from "../kept.ts";
import { type Effort, quantile, spread } from "../measure.ts";
import { startNatsKv } from "../nats.ts";
import { type Bar, count, mib, ms, type Report } from "../results.ts";
import { messageBytes, STREAMS, type Watched, watchedEtcd, watchedHub, watchedNats } from "./watchers.ts";

const SIZES = [1, 100, 1_000, 5_000];
const JUDGED = 5_000;
const BAR = 1.2;
/** Changes in one run. */
const CHANGES = 4;

/** What there are fewer rounds of: no bar stands on it. */
const OTHER_ROUNDS = 2;

/** From the acknowledgement of a change to the message of the last watcher, against a watch of etcd and one of NATS KV. */
export async function fanout({ rounds }: Effort): Promise<Report> {
  const program = await buildHerd();
  return await withServers(async (keep) => {
    const hub = await keep(startBenchHub());
    const bytes = await messageBytes(hub);
    const ours = await watchedHub(program, hub);
    const theirs = watchedEtcd(program, await keep(startEtcd()), bytes);
    const others = watchedNats(program, await keep(startNatsKv()), bytes);
    const lines = [
      `| watchers | | acknowledged → half ms | → 99 in 100 ms | → last: p50 ms | → last: p99 ms | call → last: p50 ms | call → last: p99 ms | acknowledged ms | CPU ms of a change |`,
      "|---|---|---|---|---|---|---|---|---|---|",
    ];
    const bars: Bar[] = [];
    const alone = { hub: Number.NaN, etcd: Number.NaN };
    for (const watchers of SIZES) {
      const a: Round[] = [];
      const b: Round[] = [];
      const c: Round[] = [];
      for (let round = 0; round < (watchers === JUDGED ? rounds : Math.min(rounds, OTHER_ROUNDS)); round++) {
        a.push(await changes(ours, watchers));
        b.push(await changes(theirs, watchers));
        c.push(await changes(others, watchers), await changes(others, watchers));
        b.push(await changes(theirs, watchers));
        a.push(await changes(ours, watchers));
      }
      lines.push(row(watchers, "hub", a), row(watchers, "etcd", b), row(watchers, "NATS KV", c));
      const whole = { hub: quantile(times(a, sentToLast), 0.5), etcd: quantile(times(b, sentToLast), 0.5) };
      if (watchers === 1) Object.assign(alone, whole);
      if (watchers !== JUDGED) continue;
      const added = { hub: whole.hub - alone.hub, etcd: whole.etcd - alone.etcd };
      bars.push(
        bar("change acknowledged → last of 5,000 watchers, p99", p99(a, last), p99(b, last)),
        bar("call → last of 5,000 watchers, p99", p99(a, sentToLast), p99(b, sentToLast)),
        bar("what 5,000 watchers add to the time of a change, p50", added.hub, added.etcd),
      );
      lines.push("", "| 5,000 watchers | memory MiB |", "|---|---|");
      for (const { server } of [ours, theirs, others])
        lines.push(`| ${server.name} | ${mib(server.residentBytes())} |`);
    }
    lines.push(
      "",
      `${count(bytes)} bytes in a message; up to ${STREAMS} watchers on a connection. Each checks that its message is of the change. A watch of NATS KV is a consumer of its own, as its libraries make it. Memory is at the end.`,
    );
    return { lines, bars };
  });
}

interface Round {
  readonly told: readonly Told[];
  /** Of the server, for one change. */
  readonly cpuMs: number;
}

async function changes(watched: Watched, watchers: number): Promise<Round> {
  const herd = await watched.open(watchers, STREAMS);
  try {
    const told: Told[] = [];
    // The first one meets what is cold.
    await watched.change(herd);
    const before = watched.server.cpuSeconds();
    for (let change = 0; change < CHANGES; change++) told.push(await watched.change(herd));
    return { told, cpuMs: ((watched.server.cpuSeconds() - before) / CHANGES) * 1_000 };
  } finally {
    await herd.stop();
  }
}

const last = (one: Told): number => one.lastUs;
const sentToLast = (one: Told): number => one.sentToLastUs;

function times(rounds: readonly Round[], pick: (one: Told) => number): readonly number[] {
  return rounds.flatMap(({ told }) => told.map(pick)).sort((x, y) => x - y);
}

function p99(rounds: readonly Round[], pick: (one: Told) => number): number {
  return quantile(times(rounds, pick), 0.99);
}

function row(watchers: number, name: string, rounds: readonly Round[]): string {
  const of = (pick: (one: Told) => number, share: number): string => ms(quantile(times(rounds, pick), share));
  const cells = [
    ...[count(watchers), name, of((one) => one.p50Us, 0.5), of((one) => one.p99Us, 0.5)],
    ...[of(last, 0.5), of(last, 0.99), of(sentToLast, 0.5), of(sentToLast, 0.99)],
    ...[of((one) => one.acknowledgedUs, 0.5), spread(rounds.map(({ cpuMs }) => cpuMs)).median.toFixed(0)],
  ];
  return `| ${cells.join(" | ")} |`;
}

// A change may reach everyone before its own answer has reached the one who made it.
function bar(work: string, hubUs: number, etcdUs: number): Bar {
  const measured = `hub ${ms(hubUs)} ms, etcd ${ms(etcdUs)} ms`;
  const isMet = hubUs <= BAR * Math.max(etcdUs, 0);
  return { work: `${work}, against etcd`, bar: `≤ ${BAR} ×`, measured, isMet };
}
