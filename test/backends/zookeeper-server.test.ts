import { afterAll, beforeAll, expect, it } from "vitest";
import { fourLetters, startZooKeeper, type ZooKeeperServer } from "../support/servers/zookeeper.ts";
import { zookeeperProgram } from "../support/servers/zookeeper-program.ts";
import { describeWith } from "../support/toolchains.ts";

await describeWith("ZooKeeper for tests", zookeeperProgram, () => {
  let zookeeper: ZooKeeperServer;
  let port = 0;
  beforeAll(async () => {
    zookeeper = await startZooKeeper({ own: true });
    port = Number(zookeeper.connect.split(":")[1]);
  });
  afterAll(() => zookeeper?.stop());

  it("answers srvr, and nothing else of four letters, as servers do that nobody has opened", async () => {
    expect(await fourLetters("srvr", port, 2_000)).toContain("Mode: standalone");
    expect(await fourLetters("ruok", port, 2_000)).toContain("not in the whitelist");
  });

  it("keeps what it holds over a crash", async () => {
    await zookeeper.cli(["create", "/kept", "value"]);
    await zookeeper.kill();
    await expect(fourLetters("srvr", port, 2_000)).rejects.toThrow(/ECONNREFUSED/);
    await zookeeper.restart();
    expect(await zookeeper.cli(["get", "/kept"])).toContain("value");
  });

  it("says nothing while it is held still, and goes on afterwards", async () => {
    zookeeper.pause();
    await expect(fourLetters("srvr", port, 300)).rejects.toThrow(/no answer/);
    zookeeper.resume();
    expect(await fourLetters("srvr", port, 5_000)).toContain("Mode: standalone");
  });
});
