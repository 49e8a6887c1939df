import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { Client } from "pg";
import { describe, expect, it } from "vitest";
import { newEventId } from "../../src/data/event-id.ts";
import { failure } from "../rpc/release-hub.ts";
import { type FullDisk, type FullDiskWay, fullDiskWays } from "../support/full-disk.ts";
import { startProcess } from "../support/process.ts";
import { type PostgresServer, startPostgres } from "../support/servers/postgres.ts";
import { postgresProgram } from "../support/servers/postgres-program.ts";
import { describeWith } from "../support/toolchains.ts";
import { userDataClient } from "../support/user-data/clients.ts";
import { historyFaults } from "../support/user-data/history.ts";
import { Load } from "../support/user-data/load.ts";

const PAYLOAD_BYTES = 100_000;
const WRITERS = 4;
const FULL_MS = 60_000;
const RECOVERY_MS = 60_000;

type UserDataClient = ReturnType<typeof userDataClient>;

async function startHub(env: Record<string, string>) {
  const hub = startProcess(["serve", "--port", "0"], { HUB_LOG_LEVEL: "error", ...env });
  const [, url = ""] = await hub.waitFor(/serves at (http:\/\/\S+)/);
  return { hub, url, client: userDataClient(url) };
}

// Cannot be packed, so that it needs room of its own.
const padding = randomBytes(PAYLOAD_BYTES).toString("base64").slice(0, PAYLOAD_BYTES);

const save = (client: UserDataClient) =>
  client.saveUserEvent(
    {
      userId: "probe",
      eventType: "login",
      eventId: newEventId(),
      eventJson: `{"x":"${padding}"}`,
    },
    { timeoutMs: 8_000 },
  );

async function settled(load: Load, client: UserDataClient, timeout: number): Promise<void> {
  const tried = async (): Promise<string> =>
    await load
      .settle(client)
      .then(() => save(client))
      .then(
        () => "saved",
        (error) => String(error),
      );
  await expect.poll(tried, { timeout, interval: 200 }).toBe("saved");
}

/** Fills the disk under load until nothing can be saved, frees it, and says what is wrong then. */
async function fillAndFree(
  { url, client }: { url: string; client: UserDataClient },
  disk: FullDisk,
  pids: () => Promise<readonly number[]>,
  revive: () => Promise<void> = async () => {},
): Promise<void> {
  const load = new Load(8, PAYLOAD_BYTES);
  await settled(load, client, FULL_MS);
  const running = load.run(client, WRITERS);
  await sleep(300);
  await disk.fill(await pids());
  // A save that ran out of its time was not acknowledged either, but does not say why.
  let refusal: unknown;
  for (const end = performance.now() + FULL_MS; refusal === undefined; ) {
    refusal = await save(client).then(
      () => undefined,
      (error: unknown) => (ConnectError.from(error).code === Code.DeadlineExceeded ? undefined : error),
    );
    expect(performance.now()).toBeLessThan(end);
  }
  expect(await failure(Promise.reject(refusal))).toMatchObject({
    code: "Unavailable",
    reason: "DATABASE_UNAVAILABLE",
  });
  await sleep(1_000);
  expect(await fetch(`${url}/api/config/messaging/kafka/topics`)).toMatchObject({ status: 200 });
  load.stop();
  await running;
  await disk.free(await pids());
  await revive();
  // The same hub, which nobody has restarted.
  await settled(load, client, RECOVERY_MS);
  const again = load.run(client, WRITERS);
  await sleep(500);
  load.stop();
  await again;
  await settled(load, client, RECOVERY_MS);
  const faults = [...load.contradictions];
  for (const userId of load.users)
    faults.push(...(await historyFaults(client, userId, load.acknowledged.get(userId) ?? new Map())));
  expect(faults).toEqual([]);
  expect(load.open.size).toBe(0);
}

async function serverPid(url: string): Promise<number> {
  const client = new Client({ connectionString: url });
  await client.connect();
  const { rows } = await client.query(
    "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)::int AS pid",
  );
  await client.end();
  return rows[0].pid;
}

// PostgreSQL ends when its own log finds no room, and then once more when its recovery does: somebody has to start it.
async function reviveServer(server: PostgresServer, pid: number): Promise<void> {
  const answers = (): Promise<boolean> =>
    serverPid(server.url).then(
      () => true,
      () => false,
    );
  const stands = async (): Promise<boolean> => {
    if (await answers()) return true;
    if (!existsSync(`/proc/${pid}/exe`)) await server.restart();
    return false;
  };
  await expect.poll(stands, { timeout: RECOVERY_MS, interval: 200 }).toBe(true);
}

const ways = await fullDiskWays();

async function onDisk(way: FullDiskWay, work: (disk: FullDisk) => Promise<void>): Promise<void> {
  const disk = await way.open();
  try {
    await work(disk);
  } finally {
    await disk.remove();
  }
}

await describeWith(
  "with the disk of PostgreSQL full nothing is acknowledged that is not stored, and the hub goes on when there is room",
  () => postgresProgram(),
  () => {
    it.each(ways)("$name", { timeout: 300_000 }, (way) =>
      onDisk(way, async (disk) => {
        const server = await startPostgres({ own: true, within: disk.directory });
        try {
          const pid = await serverPid(server.url);
          const hub = await startHub({ DATABASE_URL: server.url, DATABASE_ALLOW_BYPASS: "true" });
          await fillAndFree(
            hub,
            disk,
            async () => [pid],
            () => reviveServer(server, pid),
          );
          hub.hub.process.kill("SIGKILL");
          await hub.hub.exited;
        } finally {
          await server.stop();
        }
      }),
    );
  },
);

describe("with the disk of the embedded database full nothing is acknowledged that is not stored, and the hub goes on when there is room", () => {
  it.each(ways)("$name", { timeout: 300_000 }, (way) =>
    onDisk(way, async (disk) => {
      const dataDir = join(disk.directory, "data");
      await mkdir(dataDir);
      const hub = await startHub({ HUB_DATA_DIR: dataDir });
      await fillAndFree(hub, disk, async () => [hub.hub.process.pid ?? 0]);
      hub.hub.process.kill("SIGKILL");
      await hub.hub.exited;
    }),
  );
});
