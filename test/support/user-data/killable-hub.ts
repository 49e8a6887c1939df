import { type Running, startProcess } from "../process.ts";
import { userDataClient } from "./clients.ts";

/** A hub in a process of its own, with a client of its user data. */
export interface KillableHub {
  readonly running: Running;
  readonly url: string;
  readonly client: ReturnType<typeof userDataClient>;
  /** Ends it as a crash would. */
  kill(): Promise<void>;
}

/** Starts one on a free port, and waits until it serves. */
export async function startKillableHub(env: Record<string, string>): Promise<KillableHub> {
  const running = startProcess(["serve", "--port", "0"], { HUB_LOG_LEVEL: "error", ...env });
  const [, url = ""] = await running.waitFor(/serves at (http:\/\/\S+)/);
  return {
    ...{ running, url, client: userDataClient(url) },
    kill: async () => {
      running.process.kill("SIGKILL");
      await running.exited;
    },
  };
}
