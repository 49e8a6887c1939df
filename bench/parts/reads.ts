import type { Load } from "../h2load.ts";
import { startBenchHub } from "../hub.ts";
import { withServers } from "../kept.ts";
import { compare, type Effort, loaded } from "../measure.ts";
import type { Server } from "../process.ts";
import { atLeast, type Bar, COMPARISON_HEAD, comparisonLine, count, type Report } from "../results.ts";
import { etcdLoad, startEqualEtcd, startEqualPeer, topicsAnswer, topicsLoad } from "./topics.ts";

/** GetKafkaTopics over gRPC, against everything that could answer the same. */
export async function reads(effort: Effort): Promise<Report> {
  return await withServers(async (keep) => {
    const hub = await keep(startBenchHub());
    const answer = await topicsAnswer(hub);
    const lines = [...COMPARISON_HEAD];
    const bars: Bar[] = [];
    const against = async (peer: Server, load: Load, bar?: number): Promise<void> => {
      // What no bar stands on is there for the order of things.
      const rounds = bar === undefined ? Math.min(effort.rounds, 2) : effort.rounds;
      const [ours, theirs] = [loaded(hub, topicsLoad(hub, hub)), loaded(peer, load)];
      const comparison = await compare(ours, theirs, { ...effort, rounds });
      lines.push(comparisonLine(peer.name, comparison));
      if (bar === undefined) return;
      bars.push(atLeast(`GetKafkaTopics over gRPC against ${peer.name}`, bar, comparison));
    };
    const bare = await keep(startEqualPeer("http2", hub, answer));
    await against(bare, topicsLoad(hub, bare), 0.85);
    const unread = await keep(startEqualPeer("http2Unread", hub, answer));
    await against(unread, topicsLoad(hub, unread));
    const etcd = await keep(startEqualEtcd(answer));
    await against(etcd, etcdLoad(etcd), 1.2);
    const grpcJs = await keep(startEqualPeer("grpcJs", hub, answer));
    await against(grpcJs, topicsLoad(hub, grpcJs), 1.8);
    const connect = await keep(startEqualPeer("connect", hub, answer));
    await against(connect, topicsLoad(hub, connect));
    const plain = await keep(
      startBenchHub({ name: "this hub without its lean path", lines: ["lean_path: false"] }),
    );
    await topicsAnswer(plain);
    await against(plain, topicsLoad(plain, plain));
    await topicsAnswer(hub);
    lines.push("", `128 in flight on 4 connections; each answer has ${count(answer.length)} bytes.`);
    return { lines, bars };
  });
}
