import { once } from "node:events";
import { createServer } from "node:http";
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from "node:net";
import { onTestFinished } from "vitest";
import { brokerPorts } from "../../src/brokers.ts";
import type { Reading } from "../../src/health/probe.ts";
import { ProbeLoop, type ProbeState } from "../../src/health/probe-loop.ts";
import type { Target } from "../../src/health/targets.ts";
import type { Settings } from "../../src/settings/settings.ts";
import { testSettings } from "../support/hub.ts";
import { freePorts, startChild, until } from "../support/servers/child.ts";

/** A component at an address, looked at every second. */
export function targetAt(kind: Target["kind"], address: string, change: Partial<Target> = {}): Target {
  return { name: kind, kind, address, monitoringUrl: "", intervalMs: 1_000, timeoutMs: 2_000, ...change };
}

/** Looks once, as the hub does. */
export async function look(target: Target, settings: Partial<Settings> = {}): Promise<Reading> {
  const probe = await brokerPorts(testSettings(settings)).openProbe(target);
  const end = new AbortController();
  const timer = setTimeout(() => end.abort(), target.timeoutMs);
  try {
    return await probe.check(end.signal);
  } finally {
    clearTimeout(timer);
    await probe.close();
  }
}

/** Looks again and again until the test has ended. */
export function follow(target: Target, settings: Partial<Settings> = {}): ProbeLoop {
  const loop = new ProbeLoop(target, brokerPorts(testSettings(settings)).openProbe, () => {});
  onTestFinished(() => loop.stop());
  return loop;
}

/** Waits for a verdict, and gives the time that it took in milliseconds. */
export async function verdictOf(
  loop: ProbeLoop,
  verdict: ProbeState["verdict"],
  isIt: (state: ProbeState) => boolean = () => true,
): Promise<number> {
  const began = performance.now();
  await until(
    `the verdict ${verdict}`,
    async () => loop.state.verdict === verdict && loop.state.checkedAt !== undefined && isIt(loop.state),
    30_000,
    () => JSON.stringify(loop.state),
  );
  return performance.now() - began;
}

/** A server that takes connections and says nothing. */
export async function silentPeer(): Promise<string> {
  return await listening(
    createTcpServer((socket) => {
      socket.on("error", () => {});
      socket.resume();
    }),
  );
}

/** A server that closes every connection at once. */
export async function closingPeer(): Promise<string> {
  return await listening(
    createTcpServer((socket) => {
      socket.on("error", () => {});
      socket.destroy();
    }),
  );
}

/** A server that says this to whoever says anything, and closes the connection. */
export async function sayingPeer(text: string): Promise<string> {
  return await listening(
    createTcpServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", () => socket.end(text));
    }),
  );
}

/** A server that says this to whoever asks, over HTTP. */
export async function httpPeer(
  answer: (path: string) => { status: number; body?: string; headers?: Record<string, string> },
): Promise<string> {
  const server = createServer((request, response) => {
    const { status, body = "", headers = {} } = answer(request.url ?? "");
    response.writeHead(status, headers).end(body);
  });
  return await listening(server);
}

/** An address where nobody listens. */
export async function refusingPeer(): Promise<string> {
  const [port] = await freePorts(1);
  return `127.0.0.1:${port}`;
}

/** An address where the first packet of a connection is lost, and all that follow it: the queue of its listener is full. */
export async function blackHole(): Promise<string> {
  const [port = 0] = await freePorts(1);
  const program = `require("net").createServer().listen({ port: ${port}, host: "127.0.0.1", backlog: 1 }, () => console.log("up"))`;
  const child = startChild(process.execPath, ["-e", program], process.cwd());
  onTestFinished(() => child.kill());
  await until(
    "the listener",
    async () => child.output().includes("up"),
    20_000,
    () => child.output(),
  );
  child.pause();
  const fillers = Array.from({ length: 4 }, (): Socket => connect(port, "127.0.0.1").on("error", () => {}));
  onTestFinished(() => {
    for (const filler of fillers) filler.destroy();
  });
  await until(
    "a full queue",
    async () => fillers.filter(({ connecting }) => !connecting).length >= 2,
    5_000,
    () => "",
  );
  return `127.0.0.1:${port}`;
}

async function listening(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
