import { type Answer, askAll, type Endpoint, formatEndpoint, readEndpoints } from "../../health/endpoints.ts";
import type { Probe, Reading } from "../../health/probe.ts";
import { explain, failure, ok, unknown, wrong } from "../../health/reading.ts";
import type { Target } from "../../health/targets.ts";

const DEFAULT_PORT = 2181;

/** Sends a text to a server and gives what it answers before it closes the connection. */
export type Exchange = (endpoint: Endpoint, text: string, signal: AbortSignal) => Promise<string>;

/** What one server says of itself with `srvr`. */
interface Server {
  readonly version: string;
  /** Such as "leader", "follower" or "standalone"; empty: it does not serve. */
  readonly mode: string;
  readonly text: string;
}

/** Asks ZooKeeper servers with `srvr`: `ruok` is answered by a server that serves nobody. */
export function openZooKeeperProbe({ address, timeoutMs }: Target, exchange: Exchange): Probe {
  // What Kafka keeps its data under may stand at the end: "a:2181,b:2181/kafka".
  const endpoints = readEndpoints(address.replace(/\/.*$/s, ""), DEFAULT_PORT);
  return {
    check: async (signal) => {
      const ask = async (endpoint: Endpoint, until: AbortSignal): Promise<Server> =>
        parse(await exchange(endpoint, "srvr", until));
      return judge(await askAll(endpoints, ask, signal, timeoutMs));
    },
    close: async () => {},
  };
}

function parse(text: string): Server {
  const mode = /^Mode: (\S+)/m.exec(text)?.[1] ?? "";
  const version = /^Zookeeper version: ([^\s,]+)/m.exec(text)?.[1]?.replace(/-[0-9a-f]{20,}$/, "") ?? "";
  return { version, mode, text: text.trim() };
}

function judge(answers: readonly Answer<Server>[]): Reading {
  const serving = answers.flatMap((answer) => ("value" in answer && answer.value.mode ? [answer.value] : []));
  const troubles = answers.flatMap((answer) => {
    const reading = troubleOf(answer);
    return reading ? [reading] : [];
  });
  const [first] = serving;
  if (!first) {
    const reasons = troubles.map(({ reason }) => reason).join("; ");
    // One that is seen to be wrong tells more than one that may not be asked.
    return troubles.some(({ verdict }) => verdict === "wrong") ? wrong(reasons) : unknown(reasons);
  }
  const warnings = troubles.map(({ reason }) => reason);
  const modes = serving.map(({ mode }) => mode);
  const leaders = modes.filter((mode) => mode === "leader").length;
  if (answers.length > 1 && modes.includes("standalone")) {
    warnings.push("the servers are no ensemble: one of them runs alone");
  }
  if (leaders > 1) warnings.push("the servers are no ensemble: they follow several leaders");
  return ok(
    {
      version: first.version,
      mode: modes.join(", "),
      ...(answers.length > 1 ? { serving: `${serving.length} of ${answers.length}` } : {}),
    },
    warnings,
  );
}

function troubleOf(answer: Answer<Server>): Reading | undefined {
  const where = formatEndpoint(answer.endpoint);
  if ("error" in answer) return failure(answer.error, where);
  const { mode, text } = answer.value;
  if (mode) return undefined;
  if (text.includes("not in the whitelist")) {
    return unknown(`${where} does not answer srvr; add it to 4lw.commands.whitelist in zoo.cfg`);
  }
  if (text.includes("not currently serving requests")) {
    return wrong(`${where} serves no requests: it has no quorum`);
  }
  if (!text) return wrong(`${where} closes the connection without an answer`);
  return wrong(`${where} does not speak as ZooKeeper does: ${explain(text.slice(0, 80))}`);
}
