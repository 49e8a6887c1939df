import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { expect, it, onTestFinished } from "vitest";
import { tinyDocuments } from "../config-live/tiny.ts";
import { followAndJudge } from "../config-live/wire-program.ts";
import { startTestHub, temporaryDirectory } from "../support/hub.ts";
import { startNats } from "../support/servers/nats.ts";

/** Sends every call to another hub than the one before. */
function moving(transports: readonly Transport[]): Transport & { readonly calls: () => number } {
  let calls = 0;
  const next = (): Transport => {
    const transport = transports[calls++ % transports.length];
    if (!transport) throw new Error("no hub to go to");
    return transport;
  };
  return {
    unary: (...call) => next().unary(...call),
    stream: (...call) => next().stream(...call),
    calls: () => calls,
  };
}

it("a watch keeps its promises on a log in NATS, to clients that move from hub to hub", async () => {
  const server = await startNats({ jetstream: true });
  onTestFinished(() => server.stop());
  const configDir = await temporaryDirectory(Object.fromEntries(tinyDocuments()));
  const start = () =>
    startTestHub({
      configDir,
      revisionLog: `${server.url}/WATCHED`,
      bookmarkIntervalMs: 300,
      watchWindowRevisions: 60,
    });
  const [one, other] = [await start(), await start()];
  const transports = [one, other].map(({ url }) => createGrpcTransport({ baseUrl: url }));
  const following = moving(transports);
  await followAndJudge(createGrpcTransport({ baseUrl: one.url }), following);
  expect(following.calls()).toBeGreaterThan(10);
});
