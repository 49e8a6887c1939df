import { once } from "node:events";
import { createServer } from "node:net";
import { startProcess } from "../support/process.ts";

/** A hub in a process of its own, which can be killed and started again at the same address. */
export interface HubProcess {
  readonly url: string;
  readonly pid: number;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export interface Place {
  readonly port: number;
  readonly dataDir: string;
  readonly configDir: string;
  /** 1 where it is left out. */
  readonly workers?: number;
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || !address) throw new Error("no address");
  return address.port;
}

export async function startHubProcess({ port, dataDir, configDir, workers = 1 }: Place): Promise<HubProcess> {
  const hub = startProcess(["serve", "--port", String(port), "--workers", String(workers)], {
    HUB_DATA_DIR: dataDir,
    HUB_CONFIG_DIR: configDir,
    HUB_LOG_LEVEL: "error",
  });
  const [, url = ""] = await hub.waitFor(/serves at (http:\/\/\S+)/);
  return {
    url,
    pid: hub.process.pid ?? 0,
    kill: async (signal) => {
      hub.process.kill(signal);
      await hub.exited;
    },
  };
}

/** One number of the hub's metrics. */
export async function metricOf(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1] ?? Number.NaN);
}
