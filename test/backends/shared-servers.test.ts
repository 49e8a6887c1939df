import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { until } from "../support/servers/child.ts";
import { kafkaProgram } from "../support/servers/kafka-program.ts";
import { natsProgram } from "../support/servers/nats-program.ts";
import { postgresProgram } from "../support/servers/postgres-program.ts";
import { sharedKafka, sharedPostgres, sharedZooKeeper } from "../support/servers/shared.ts";
import { zookeeperProgram } from "../support/servers/zookeeper-program.ts";
import { describeWith } from "../support/toolchains.ts";

describe("servers that the files of a run share", async () => {
  await describeWith(
    "Kafka",
    () => sharedKafka(),
    (kafka) => {
      it("is one for all, and gives each a prefix of his own", async () => {
        const again = await sharedKafka();
        expect(again.bootstrap).toBe(kafka.bootstrap);
        expect(again.prefix).not.toBe(kafka.prefix);
        await kafka.tool("topics", ["--create", "--topic", `${kafka.prefix}orders`]);
        expect(await again.tool("topics", ["--list"])).toContain(`${kafka.prefix}orders`);
        await kafka.tool("topics", ["--delete", "--topic", `${kafka.prefix}orders`]);
      });
    },
  );

  await describeWith(
    "PostgreSQL",
    () => sharedPostgres(),
    (postgres) => {
      it("is one for all, and gives each a database of his own", async () => {
        const [one, other] = [
          await postgres.createDatabase(),
          await (await sharedPostgres()).createDatabase(),
        ];
        expect(new URL(other.url).port).toBe(new URL(one.url).port);
        expect(other.url).not.toBe(one.url);
        await Promise.all([one.drop(), other.drop()]);
      });
    },
  );

  await describeWith("ZooKeeper", sharedZooKeeper, (zookeeper) => {
    it("is one for all", async () => {
      expect((await sharedZooKeeper()).connect).toBe(zookeeper.connect);
    });
  });
});

// A process that starts a server, says its address, and may hold it still.
const SERVERS: Readonly<Record<string, { readonly find: () => Promise<unknown>; readonly start: string }>> = {
  nats: { find: natsProgram, start: `const s = await startNats({ own: true }); say(s.url);` },
  kafka: {
    find: () => kafkaProgram(),
    start: `const s = await startKafka({ own: true }); say(s.bootstrap);`,
  },
  zookeeper: {
    find: zookeeperProgram,
    start: `const s = await startZooKeeper({ own: true }); say(s.connect);`,
  },
  postgres: {
    find: () => postgresProgram(),
    start: `const s = await startPostgres({ own: true }); s.pause(); say(s.url);`,
  },
};

for (const [name, { find, start }] of Object.entries(SERVERS)) {
  await describeWith(`a process that is killed with its server ${name}`, find, () => {
    it("leaves neither a server nor its files", async () => {
      const temporary = await mkdtemp(join(tmpdir(), "central-hub-owner-"));
      // PostgreSQL runs as another user when this one is root.
      await chmod(temporary, 0o755);
      const owner = startOwner(name, start, temporary);
      onTestFinished(async () => {
        owner.kill("SIGKILL");
        await rm(temporary, { recursive: true, force: true });
      });
      const address = await said(owner);
      const port = Number(/:(\d+)(\/|$)/.exec(address)?.[1]);
      expect(await isListening(port)).toBe(true);
      expect(readdirSync(temporary).length).toBeGreaterThan(0);
      owner.kill("SIGKILL");
      const isGone = async (): Promise<boolean> =>
        !(await isListening(port)) && readdirSync(temporary).length === 0;
      await until("the server to be gone", isGone, 20_000, () => readdirSync(temporary).join(" "));
    });
  });
}

function startOwner(name: string, start: string, temporary: string): ChildProcess {
  const file = join(import.meta.dirname, `../support/servers/${name}.ts`);
  const functionName = /await (\w+)\(/.exec(start)?.[1];
  const script = `import { ${functionName} } from ${JSON.stringify(file)};
    const say = (address) => process.stdout.write(address + "\\n");
    ${start}
    setInterval(() => {}, 1000);`;
  expect(existsSync(file)).toBe(true);
  return spawn(process.execPath, ["--input-type=module", "-e", script], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

async function said(owner: ChildProcess): Promise<string> {
  let out = "";
  owner.stdout?.on("data", (data) => {
    out += data;
  });
  await until(
    "an address",
    async () => out.includes("\n"),
    90_000,
    () => out,
  );
  return out.trim();
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.on("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
