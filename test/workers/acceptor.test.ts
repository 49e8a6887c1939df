import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { Acceptor, type Taker } from "../../src/workers/acceptor.ts";

async function open(waitingMax = 100): Promise<Acceptor> {
  const acceptor = await Acceptor.listen({ host: "127.0.0.1", port: 0 }, waitingMax);
  onTestFinished(() => acceptor.close());
  return acceptor;
}

/** A client; resolves when the acceptor's side has ended. */
function client({ address }: Acceptor): { readonly ended: Promise<unknown> } {
  const socket = connect(address.port, "127.0.0.1");
  socket.on("error", () => {});
  onTestFinished(() => void socket.destroy());
  return { ended: once(socket, "close") };
}

/** Notes what it is handed, and takes it when it is let. */
function taker() {
  const handed: { socket: Socket; answer: (isTaken: boolean) => void }[] = [];
  const hand: Taker["hand"] = (socket) =>
    new Promise((answer) => {
      handed.push({ socket, answer });
    });
  return { handed, hand };
}

describe("an acceptor", () => {
  it("hands connections to its takers in turn", async () => {
    const acceptor = await open();
    const [one, other] = [taker(), taker()];
    acceptor.add(one);
    acceptor.add(other);
    for (let at = 1; at <= 3; at++) {
      client(acceptor);
      client(acceptor);
      await expect.poll(() => [one.handed.length, other.handed.length]).toEqual([at, at]);
      for (const { handed } of [one, other]) handed.at(-1)?.answer(true);
    }
  });

  it("gives nothing more to one that has not taken its last", async () => {
    const acceptor = await open();
    const [hangs, works] = [taker(), taker()];
    acceptor.add(hangs);
    client(acceptor);
    await expect.poll(() => hangs.handed.length).toBe(1);
    acceptor.add(works);
    for (let at = 1; at <= 5; at++) {
      client(acceptor);
      await expect.poll(() => works.handed.length).toBe(at);
      works.handed.at(-1)?.answer(true);
    }
    expect(hangs.handed.length).toBe(1);
  });

  it("gives to another what one was handed and did not take", async () => {
    const acceptor = await open();
    const [dies, works] = [taker(), taker()];
    acceptor.add(dies);
    client(acceptor);
    await expect.poll(() => dies.handed.length).toBe(1);
    acceptor.add(works);
    acceptor.remove(dies);
    dies.handed[0]?.answer(false);
    await expect.poll(() => works.handed.length).toBe(1);
    expect(works.handed[0]?.socket).toBe(dies.handed[0]?.socket);
  });

  it("asks one that has said no once never again, and keeps the connection for the next", async () => {
    const acceptor = await open();
    let asked = 0;
    // What a channel says at once when its other end is gone, long before the process is known to have ended.
    acceptor.add({ hand: async () => ++asked > 1_000 });
    client(acceptor);
    await expect.poll(() => asked).toBe(1);
    const works = taker();
    acceptor.add(works);
    await expect.poll(() => works.handed.length).toBe(1);
    expect(asked).toBe(1);
  });

  it("keeps connections while there is nobody to take them, no more than it may, and ends them when it closes", async () => {
    const acceptor = await open(2);
    const clients = [client(acceptor), client(acceptor), client(acceptor)];
    await Promise.race(clients.map(({ ended }) => ended));
    const late = taker();
    acceptor.add(late);
    await expect.poll(() => late.handed.length).toBe(1);
    late.handed[0]?.answer(true);
    await expect.poll(() => late.handed.length).toBe(2);
    acceptor.close();
    late.handed[1]?.answer(false);
    await Promise.all(clients.map(({ ended }) => ended));
  });

  it("says when the port is somebody else's", async () => {
    const { address } = await open();
    const second = Acceptor.listen({ host: "127.0.0.1", port: address.port }, 1);
    await expect(second).rejects.toMatchObject({ code: "EADDRINUSE" });
  });
});
