import { SOURCES, startBenchHub } from "../hub.ts";
import { withServers } from "../kept.ts";
import type { NodePeer } from "../peers.ts";
import { startEqualPeer, topicsAnswer } from "./topics.ts";

const PEERS: readonly NodePeer[] = ["http2", "http2Unread", "grpcJs", "connect"];

/** Starts the hub from its sources and the peers that need nothing installed, and holds their answers against each other. */
export async function check(): Promise<readonly string[]> {
  return await withServers(async (keep) => {
    const hub = await keep(startBenchHub({ entry: SOURCES }));
    const answer = await topicsAnswer(hub);
    const lines = [`hub: ${answer.length} bytes`];
    for (const peer of PEERS) {
      const { name } = await keep(startEqualPeer(peer, hub, answer));
      lines.push(`${name}: the same answer`);
    }
    return lines;
  });
}
