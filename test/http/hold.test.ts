import * as http2 from "node:http2";
import { type AddressInfo, createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { Hold } from "../../src/http/hold.ts";
import { receive } from "../../src/http/listener.ts";
import { defaults } from "../../src/settings/settings.ts";

it("a hold keeps requests of every kind waiting, those of open connections too, and lets them go in their order", async () => {
  const hold = new Hold();
  const served: string[] = [];
  const receiver = receive(
    ({ url = "" }, response) => {
      served.push(url);
      response.end(url);
    },
    { ...defaults(), mayStreamRequest: () => false },
    undefined,
    {
      hold,
      serveStream: (stream) => {
        if (stream.headers[":path"] !== "/lean") return false;
        served.push("/lean");
        stream.respond([":status", "200"]);
        stream.end(Buffer.from("/lean"));
        return true;
      },
    },
  );
  const server = createServer({ pauseOnConnect: true }, (socket) => receiver.take(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const session = http2.connect(url);
  onTestFinished(async () => {
    session.destroy();
    server.close();
    await receiver.drain(0);
  });
  const overHttp1 = async (path: string) => (await fetch(`${url}${path}`)).text();
  const overHttp2 = async (path: string) => (await session.request({ ":path": path }).toArray()).join("");
  const all = async () => [await overHttp1("/1"), await overHttp2("/2"), await overHttp2("/lean")];
  expect(await all()).toEqual(["/1", "/2", "/lean"]);

  served.length = 0;
  hold.begin();
  const left = session.request({ ":path": "/lean" });
  left.on("error", () => {});
  await sleep(50);
  left.close(http2.constants.NGHTTP2_CANCEL);
  const answers = [overHttp1("/1"), overHttp2("/2")];
  await sleep(100);
  expect(served).toEqual([]);
  hold.end();
  expect(await Promise.all(answers)).toEqual(["/1", "/2"]);
  // Who has left meanwhile is not served.
  expect(served.toSorted()).toEqual(["/1", "/2"]);
  expect(await all()).toEqual(["/1", "/2", "/lean"]);
});
