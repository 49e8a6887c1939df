import { expect, it, onTestFinished } from "vitest";
import { parseNatsUrl } from "../../src/adapters/nats/connect.ts";
import { openLink } from "../../src/adapters/nats/link.ts";
import { startNats } from "../support/servers/nats.ts";

/** Long enough for the client to give the server up, and to try twice again. */
const HUNG_MS = 15_000;

function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name.includes("TCPSocket")).length;
}

it("a server that hangs for long costs no socket for each try, and is found again", async () => {
  const nats = await startNats({ own: true });
  onTestFinished(() => nats.stop());
  const link = await openLink(parseNatsUrl(nats.url), "test", 3_000);
  onTestFinished(() => link.close());
  const before = sockets();
  let tries = 0;
  link.onDown(() => tries++);
  nats.pause();
  for (const end = performance.now() + HUNG_MS; performance.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    expect(sockets()).toBeLessThanOrEqual(before + 1);
  }
  expect(tries).toBe(1);
  nats.resume();
  await link.ask(() => link.connection.rtt(), 10_000);
  expect(sockets()).toBeLessThanOrEqual(before + 1);
});
