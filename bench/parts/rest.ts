import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Load } from "../h2load.ts";
import { startBenchHub } from "../hub.ts";
import { withServers } from "../kept.ts";
import { compare, type Effort, loaded } from "../measure.ts";
import { startFastApi, startPeer } from "../peers.ts";
import type { Server } from "../process.ts";
import { atLeast, type Bar, COMPARISON_HEAD, comparisonLine, count, type Report } from "../results.ts";

const PATH = "/api/config/messaging/kafka/topics?domain=user_domain";
const CONNECTIONS = 64;

/** The Kafka topics over REST, against bare node:http and against what the first design ran on. */
export async function rest(effort: Effort): Promise<Report> {
  return await withServers(async (keep) => {
    const hub = await keep(startBenchHub());
    const headers = { authorization: hub.authorization };
    const body = await answerOf(hub, headers);
    const lines = [...COMPARISON_HEAD];
    const bars: Bar[] = [];
    const against = async (peer: Server, bar: number): Promise<void> => {
      const theirs = await answerOf(peer, {});
      if (!isDeepStrictEqual(JSON.parse(theirs.toString()), JSON.parse(body.toString()))) {
        throw new Error(`${peer.name} answers otherwise than the hub`);
      }
      const comparison = await compare(
        loaded(hub, loadOf(hub, headers)),
        loaded(peer, loadOf(peer, {})),
        effort,
      );
      lines.push(comparisonLine(peer.name, comparison));
      bars.push(atLeast(`REST topics against ${peer.name}`, bar, comparison));
    };
    await against(await keep(startPeer("http", body)), 0.75);
    await against(await keep(startFastApi(join(hub.configDir, "phase2"))), 6);
    lines.push("", `${CONNECTIONS} connections; the hub's answer has ${count(body.length)} bytes.`);
    return { lines, bars };
  });
}

function loadOf({ port }: Server, headers: Readonly<Record<string, string>>): Load {
  return { port, path: PATH, headers, isHttp1: true, connections: CONNECTIONS, inFlight: 1 };
}

async function answerOf({ port }: Server, headers: Readonly<Record<string, string>>): Promise<Buffer> {
  const answer = await fetch(`http://127.0.0.1:${port}${PATH}`, { headers });
  if (!answer.ok) throw new Error(`${PATH}: ${answer.status} ${await answer.text()}`);
  return Buffer.from(await answer.arrayBuffer());
}
